//! A server with a key set, which counts how often it was asked, and can be in any mood.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use super::signer::{Signer, key_set};

#[derive(Clone)]
pub(crate) struct Issuer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    status: StatusCode,
    text: String,
    /// Notified, it answers those who have to wait.
    go_on: Option<Arc<Notify>>,
    asked: usize,
}

impl Issuer {
    /// Opens on a port that the system chooses, with the public keys of these.
    pub(crate) async fn open(signers: &[&Signer]) -> Self {
        Self::listen(None, signers).await
    }

    /// The same over TLS, as a host of that name; and the certificate in PEM, which vouches for itself.
    pub(crate) async fn open_with_tls(name: &str, signers: &[&Signer]) -> (Self, String) {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .expect("a certificate and its key");
        (Self::listen(Some(TlsAcceptor::from(Arc::new(config))), signers).await, cert.pem())
    }

    async fn listen(tls: Option<TlsAcceptor>, signers: &[&Signer]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let state = State { status: StatusCode::OK, text: key_set(signers), go_on: None, asked: 0 };
        let issuer = Self { address, state: Arc::new(Mutex::new(state)) };
        tokio::spawn(issuer.clone().serve(listener, tls));
        issuer
    }

    /// Where its keys are.
    pub(crate) fn keys(&self) -> String {
        format!("http://{}/jwks.json", self.address)
    }

    pub(crate) const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Has the public keys of these from now on.
    pub(crate) fn publishes(&self, signers: &[&Signer]) {
        self.says(200, &key_set(signers));
    }

    /// Answers this from now on.
    pub(crate) fn says(&self, status: u16, text: &str) {
        let mut state = self.state();
        state.status = StatusCode::from_u16(status).expect("a status");
        text.clone_into(&mut state.text);
    }

    /// Lets everybody wait from now on, until that is notified.
    pub(crate) fn hangs(&self) -> Arc<Notify> {
        let go_on = Arc::<Notify>::default();
        self.state().go_on = Some(Arc::clone(&go_on));
        go_on
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.state().asked
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(self, listener: TcpListener, tls: Option<TlsAcceptor>) {
        while let Ok((stream, _)) = listener.accept().await {
            let (issuer, tls) = (self.clone(), tls.clone());
            // What goes wrong with a connection concerns whoever is at the other end.
            tokio::spawn(async move {
                match tls {
                    None => issuer.attend(stream).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            issuer.attend(stream).await;
                        }
                    }
                }
            });
        }
    }

    async fn attend(self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let service = service_fn(move |request| {
            let issuer = self.clone();
            async move { issuer.answer(request).await }
        });
        drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (status, text, go_on) = {
            let mut state = self.state();
            state.asked += 1;
            (state.status, state.text.clone(), state.go_on.clone())
        };
        if let Some(go_on) = go_on {
            go_on.notified().await;
        }
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = if request.uri() == "/jwks.json" { status } else { StatusCode::NOT_FOUND };
        Ok(response)
    }
}
