# The worker as a container: one binary on a base image without a shell, run as an
# unprivileged user. Templates are in the binary; the root may be mounted read-only.
#
#   docker build -t user-events .
#
# Needs:  BuildKit. Leaves: /user-events, configured by environment variables, health on 8080.
#
# Base images are pinned by tag and digest. To renew a digest:
#   docker buildx imagetools inspect rust:1.95.0-slim-trixie
# Build and runtime images are both Debian 13, so that both have the same glibc. They are arguments,
# so that tests/image can build this same file without a registry.
ARG BUILD_IMAGE=rust:1.95.0-slim-trixie@sha256:e14e87345b4d5964ddcc3491d27ee046a0f23820f340c3c1e24da6880141f7c0
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian13:nonroot@sha256:54df941ed0d06a1bd95ef5e0ce391fd8d9f94b64782dc9a60062727849ee3f97

# checkov:skip=CKV_DOCKER_7:each argument names tag and digest, which infra/lint/checks.py holds
FROM ${BUILD_IMAGE} AS chef
# auditable: the binary contains the list of its dependencies, for scanners:
#   cargo audit bin user-events
# cyclonedx: the image has that list as a file, with licences and checksums. It runs once, so it need not be fast.
RUN cargo install --locked cargo-chef@0.1.77 cargo-auditable@0.7.7 && \
    cargo install --locked --debug cargo-cyclonedx@0.5.9
WORKDIR /build

# The recipe lists only the dependencies: while they do not change, Docker reuses the layer that built them.
FROM chef AS planner
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS builder
COPY --from=planner /build/recipe.json recipe.json
COPY pgo pgo
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    RUSTFLAGS="$(pgo/flags)" cargo chef cook --release --locked --recipe-path recipe.json
COPY . .
# This does what `cargo auditable build` does, but wraps rustc for all crates. A wrapper for the workspace's crates
# alone would give their functions other names, and the profile would fit none of them.
# The same sources give the same list, to the byte: hence its date.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    RUSTFLAGS="$(pgo/flags)" RUSTC_WRAPPER=cargo-auditable \
    CARGO_AUDITABLE_ORIG_ARGS='{"offline":false,"locked":true,"frozen":false,"config":[]}' \
    cargo build --release --locked --bin user-events --verbose && \
    SOURCE_DATE_EPOCH=0 cargo cyclonedx --format json --spec-version 1.5 --no-build-deps

FROM ${RUNTIME_IMAGE} AS runtime
LABEL org.opencontainers.image.title="user-events" \
      org.opencontainers.image.description="Carries events from SNS through SQS to the reactions" \
      org.opencontainers.image.licenses="MIT"
COPY --from=builder /build/target/release/user-events /build/user-events.cdx.json /
ENV LOG_FORMAT=json
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s --retries=3 CMD ["/user-events", "healthcheck"]
ENTRYPOINT ["/user-events"]
CMD ["run"]
