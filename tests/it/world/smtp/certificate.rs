//! A self-signed certificate, and a server's side of TLS with it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Writes one for `localhost` into `directory`. A client trusts it by `SSL_CERT_FILE`.
pub fn write(directory: &Path) -> PathBuf {
    write_for("localhost", directory)
}

/// Writes one for this host.
pub fn write_for(host: &str, directory: &Path) -> PathBuf {
    let path = directory.join(format!("{host}.pem"));
    let interop = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop");
    let python = std::env::var("TEST_PYTHON").expect("no Python: run the tests by `make test` or `tests/run FILTER`");
    let code = "import sys; sys.path.insert(0, sys.argv[1]); from aiosmtpd_sink import certificate; certificate(*sys.argv[2:])";
    let mut program = Command::new(python);
    let made = program.args(["-B", "-c", code, interop]).arg(&path).arg(host).status().expect("Python runs");
    assert!(made.success(), "no certificate was made");
    path
}

pub fn key(certificate: &Path) -> PathBuf {
    PathBuf::from(format!("{}.key", certificate.display()))
}

pub fn acceptor(certificate: &Path) -> TlsAcceptor {
    acceptor_of(certificate, &[])
}

/// One that speaks these protocols, by ALPN; none: it says nothing of them.
pub fn acceptor_of(certificate: &Path, protocols: &[&str]) -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_file(certificate).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(key(certificate)).expect("its key");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key));
    let mut config = config.expect("a server's TLS");
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}
