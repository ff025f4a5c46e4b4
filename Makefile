# The commands of this repository. `make` alone lists them.
#
# Needs:  cargo; test and up also need what localstack/servers needs.
# Leaves: see each target.

.DEFAULT_GOAL := help

# rust-toolchain.toml names the compiler by its number. Where rustup has that one under the name `stable` alone, this takes it:
# a machine without rustup's servers could not get it a second time.
pinned := $(shell sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
ifeq ($(shell rustup toolchain list 2>/dev/null | grep -c '^$(pinned)'),0)
ifneq ($(findstring rustc $(pinned) ,$(shell RUSTUP_TOOLCHAIN=stable rustc --version 2>/dev/null)),)
export RUSTUP_TOOLCHAIN := stable
endif
endif

.PHONY: help demo up down test release profile bench bench-quick chaos redis-kills cluster-storm webhook-storm console-redrives soak simulate mutations fuzz lint lint-infra mutations-infra image image-buildah fmt docs clean-servers

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## the whole story in one process: no AWS, no Redis, no mail server
	cargo run -- demo

up: ## start LocalStack, Redis and a mail server, deploy infra/, write localstack/.env
	localstack/up

down: ## stop them
	localstack/down

test: ## lint, then every test against servers of its own (starts and stops them)
	tests/run

release: ## the service as the image has it, built by the profile in pgo/: target/release/user-events
	RUSTFLAGS="$$(pgo/flags)" cargo build --release --locked

profile: ## take that profile anew, twenty minutes: after a change of compiler, versions or dependencies
	pgo/train

bench: ## what a message costs beside every peer, forty minutes: writes docs/performance.{json,md,svg}
	benches/build
	benches/peers/setup
	$(MAKE) release
	benches/run --out docs/performance.json
	localstack/up --native
	benches/end_to_end --out docs/performance.json
	benches/end_to_end --ministack --out docs/performance.json
	localstack/down
	benches/report.py

bench-quick: ## the same beside loops around the bare SDK alone, two minutes once built; writes nothing
	benches/build
	benches/run --quick

chaos: ## the long chaos run, about seven minutes: 5,000 events, 200 kills and more (CHAOS_SEED=n repeats one)
	CHAOS_EVENTS=5000 CHAOS_KILLS=200 tests/run chaos_loses_nothing

redis-kills: ## kill Redis a hundred times while mails wait for their 250, eight minutes: no second mail, no letter
	RECORD_ROUNDS=100 tests/run redis_killed_while_mails_wait

cluster-storm: ## kill, freeze and promote the masters of a Redis Cluster and move its slots under 5,000 events, two minutes
	CLUSTER_EVENTS=5000 CLUSTER_KILLS=5 CLUSTER_SLOTS=10000 tests/run cluster_storm

console-redrives: ## redrive five thousand letters from the console, stop it midway, kill it midway, two minutes
	CONSOLE_LETTERS=5000 tests/run console_letters::a_long console_letters::a_redrive

webhook-storm: ## ten thousand events for a service that does everything wrong, and sixty kills of who calls one, four minutes
	WEBHOOK_EVENTS=10000 WEBHOOK_KILLS=60 tests/run webhook::storm webhook::kills

soak: ## half an hour of mails, profiles and calls, 100 events a second, one call in a hundred goes wrong (MINUTES=n)
	benches/peers/setup
	$(MAKE) release
	tests/soak/run --minutes $${MINUTES:-30}

simulate: ## the engine in virtual time under seeded trouble: 10,000 schedules (SEEDS=n more or fewer, SEED=n one alone)
	SEEDS=$${SEEDS:-10000} cargo test --locked --test simulation every_invariant -- --nocapture

mutations: ## break the engine in one place at a time and see that the simulator notices
	tests/mutations

fuzz: ## throw bytes at whatever reads bytes from outside, eleven targets in eleven minutes (MINUTES=n); gets cargo-fuzz if it is missing
	fuzz/run

# rustdoc asks for the workspace and its examples as clippy does: so it takes what clippy has checked.
lint: ## formatting, clippy, rustdoc: every warning is an error; what we link, where cargo-deny is installed
	.ci/deny
	cargo fmt --check
	cargo clippy --workspace --all-targets --locked --features failpoints -- -D warnings
	cargo clippy -p user-events-engine --no-default-features --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --lib --examples --no-deps --locked --features user-events-engine/testing

lint-infra: ## infra/*.yaml, infra/kubernetes, the workflows and the Dockerfile: cfn-lint, hadolint, zizmor, checkov, checks of our own
	infra/lint/run

mutations-infra: ## break infra/*.yaml, infra/kubernetes, a workflow and the Dockerfile in one place at a time and see that lint-infra notices
	infra/lint/mutations.py

image: ## build the image by Docker, and run the demo in it as ECS would: user-events
	docker build --tag user-events .
	docker run --rm --read-only --cap-drop ALL --tmpfs /tmp user-events demo --mails /tmp/mails
	docker image inspect --format '{{.Size}} bytes' user-events

image-buildah: ## the same without Docker, by buildah and runc, and prove more of it; needs root
	tests/image

fmt: ## format the code
	cargo fmt

docs: ## build the documentation of both crates and open it
	cargo doc -p user-events -p user-events-engine --no-deps --locked --features user-events-engine/testing --open

clean-servers: ## stop the servers and remove what they and their installation left
	localstack/down
	for dir in target/test-servers/*/; do [ ! -d "$$dir" ] || localstack/servers stop "$$dir"; done
	rm -rf localstack/.venv localstack/.bin localstack/.state target/test-servers infra/lint/.venv target/image
