//! A certificate of the sink's own for `localhost` and 127.0.0.1, made anew at each start, so that none expires.
//!
//! Enters: a path. Leaves: there, the root to trust; and what accepts TLS with a certificate that the root vouches for.

use std::io::{Error, Result};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

pub fn acceptor(root: &str) -> Result<TlsAcceptor> {
    // Clients refuse a root as a server's own certificate, so there are two, each with a name of its own.
    let (root_key, key) = (generate()?, generate()?);
    let mut ours = CertificateParams::new(Vec::new()).map_err(Error::other)?;
    ours.distinguished_name.push(DnType::CommonName, "the sink's root");
    ours.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(root, ours.self_signed(&root_key).map_err(Error::other)?.pem())?;
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut leaf = CertificateParams::new(names).map_err(Error::other)?;
    leaf.distinguished_name.push(DnType::CommonName, "the sink");
    leaf.use_authority_key_identifier_extension = true;
    let leaf = leaf.signed_by(&key, &Issuer::new(ours, root_key)).map_err(Error::other)?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(Error::other)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .map_err(Error::other)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn generate() -> Result<KeyPair> {
    KeyPair::generate().map_err(Error::other)
}
