//! TLS to one host: which roots are trusted, and the handshake.
//!
//! Enters: the host's name, and a connection. Leaves: the connection encrypted, its peer's certificate verified.
//! Promises: the roots are read once with the settings, not for each connection. If `SSL_CERT_FILE` is set, its roots
//! replace the system's. Knows no protocol above it.

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
pub(crate) struct Trust {
    config: Arc<ClientConfig>,
    host: ServerName<'static>,
}

impl Trust {
    /// `protocols`: those that are offered by ALPN, the liked one first; none: nothing is said of them.
    pub(crate) fn in_host(host: &str, protocols: &[&str]) -> Result<Self, &'static str> {
        const NO_ROOTS: &str = "cannot be used: no trusted roots for TLS";
        let host = ServerName::try_from(host.to_owned()).map_err(|_| "names a host that no certificate can name")?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(NO_ROOTS);
        }
        // An explicit provider: another library may have set a different one for the process.
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|_| NO_ROOTS)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Ok(Self { config: Arc::new(config), host })
    }

    pub(crate) async fn handshake(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsConnector::from(self.config.clone()).connect(self.host.clone(), stream).await
    }
}
