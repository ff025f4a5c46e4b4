//! TLS to one host: which roots are trusted, and the handshake.
//!
//! Enters: the host's name, and a connection. Leaves: the connection encrypted, its peer's certificate verified.
//! Promises: the roots are read once with the settings, not for each connection. If `SSL_CERT_FILE` is set, its roots
//! replace the system's. Knows no SMTP.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The host, and the roots that may vouch for its certificate.
#[derive(Clone)]
pub(super) struct Trust {
    config: Arc<ClientConfig>,
    host: ServerName<'static>,
}

impl Trust {
    pub(super) fn in_host(host: &str) -> Result<Self, &'static str> {
        const NO_ROOTS: &str = "cannot be used: no trusted roots for TLS";
        let host = ServerName::try_from(host.to_owned()).map_err(|_| "names a host that no certificate can name")?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(NO_ROOTS);
        }
        // An explicit provider: another library may have set a different one for the process.
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|_| NO_ROOTS)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config), host })
    }

    pub(super) async fn handshake(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsConnector::from(self.config.clone()).connect(self.host.clone(), stream).await
    }
}
