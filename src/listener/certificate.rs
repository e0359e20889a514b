//! A certificate with its key: read from files, the names in it, and how long it holds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::InconsistentKeys;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::config::CertificateFiles;
use crate::second_factor::Timestamp;

/// TLS can't be offered: a certificate or its key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read, or is no PEM file of its kind.
    #[error("can't read {what} from {}", path.display())]
    Unreadable {
        /// `the certificate` or `its key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// A file without a certificate in it.
    #[error("there is no certificate in {}", .0.display())]
    NoCertificate(PathBuf),
    /// The key is another certificate's.
    #[error("the key in {} is not that of the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The certificate or key is of a kind that can't be used.
    #[error("the certificate in {} can't be used", path.display())]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The cryptography can't be set up.
    #[error("TLS can't be set up")]
    Setup(#[source] rustls::Error),
}

/// A certificate with its key.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) certified: Arc<CertifiedKey>,
    /// In lower case; `*.acme.example` is each name with one label more than `acme.example`.
    pub(super) names: Vec<String>,
    /// Until when it holds, if that can be read.
    pub(super) expires: Option<Timestamp>,
    pub(super) file: PathBuf,
}

impl Certificate {
    /// Reads both files, and checks that they belong together.
    pub(super) fn read(files: &CertificateFiles) -> Result<Self, TlsError> {
        let chain = certificates(&files.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|source| TlsError::Unreadable {
            what: "its key",
            path: files.key.clone(),
            source,
        })?;
        let names = names(&chain[0]);
        let expires = not_after(&chain[0]);
        let certified =
            CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(|error| match error {
                rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    TlsError::Mismatch { certificate: files.certificate.clone(), key: files.key.clone() }
                }
                source => TlsError::Unusable { path: files.certificate.clone(), source },
            })?;
        Ok(Self { certified: Arc::new(certified), names, expires, file: files.certificate.clone() })
    }
}

/// What is in a file; at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |source| TlsError::Unreadable { what: "the certificate", path: path.to_owned(), source };
    let chain: Vec<_> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<_, _>>).map_err(unreadable)?;
    if chain.is_empty() { Err(TlsError::NoCertificate(path.to_owned())) } else { Ok(chain) }
}

/// Only to choose by: whether a certificate holds for a name is up to the visitor.
fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let read = webpki::EndEntityCert::try_from(certificate);
    read.map_or_else(|_| Vec::new(), |read| read.valid_dns_names().map(str::to_ascii_lowercase).collect())
}

/// The end of the validity (RFC 5280, 4.1). rustls never looks at that of the own certificate.
pub(crate) fn not_after(certificate: &[u8]) -> Option<Timestamp> {
    const VERSION: u8 = 0xa0;
    let (_, certificate, _) = element(certificate)?;
    let (_, mut fields, _) = element(certificate)?;
    if fields.first() == Some(&VERSION) {
        fields = element(fields)?.2;
    }
    // The serial number, the signature's algorithm and the issuer.
    for _ in 0..3 {
        fields = element(fields)?.2;
    }
    let (_, validity, _) = element(fields)?;
    let (_, _, after) = element(validity)?;
    let (tag, text, _) = element(after)?;
    time(tag, text)
}

/// The first element of some DER: its tag, what is in it, and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `YYMMDDHHMMSSZ`, or with four digits for the year, as both kinds of times in certificates are (RFC 5280, 4.1.2.5).
fn time(tag: u8, text: &[u8]) -> Option<Timestamp> {
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;
    let digits = text.strip_suffix(b"Z")?;
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let part = digits.get(range)?;
        part.iter().all(u8::is_ascii_digit).then_some(())?;
        str::from_utf8(part).ok()?.parse().ok()
    };
    let (year, at) = match (tag, digits.len()) {
        (UTC_TIME, 12) => (number(0..2).map(|year| year + if year < 50 { 2000 } else { 1900 })?, 2),
        (GENERALIZED_TIME, 14) => (number(0..4)?, 4),
        _ => return None,
    };
    let [month, day, hour, minute, second] =
        [0, 2, 4, 6, 8].map(|offset| number(at + offset..at + offset + 2).unwrap_or(-1));
    let possible = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..60).contains(&second);
    possible.then(|| Timestamp::from_secs(days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second))
}

/// How many days that date is after 1970-01-01 (Howard Hinnant's `days_from_civil`, for years from 0).
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_read_as_it_was_written() {
        for (year, month, day, expected) in [
            (2020, 2, 29, "2020-02-29T00:00:00Z"),
            (2049, 12, 31, "2049-12-31T00:00:00Z"),
            (2050, 1, 1, "2050-01-01T00:00:00Z"),
            (2100, 3, 1, "2100-03-01T00:00:00Z"),
        ] {
            let mut parameters = rcgen::CertificateParams::new(["a.example".to_owned()]).expect("names");
            parameters.not_after = rcgen::date_time_ymd(year, month, day);
            let key = rcgen::KeyPair::generate().expect("a key");
            let certificate = parameters.self_signed(&key).expect("a certificate");
            assert_eq!(not_after(certificate.der()).map(Timestamp::rfc3339).as_deref(), Some(expected));
            for cut in 0..100 {
                assert_eq!(not_after(&certificate.der()[..cut]), None, "cut off after {cut} bytes");
            }
        }
    }

    #[test]
    fn what_is_no_time_of_a_certificate_is_none() {
        let rows: [(u8, &[u8], Option<&str>); 11] = [
            (0x17, b"261125141644Z", Some("2026-11-25T14:16:44Z")),
            (0x17, b"700101000000Z", Some("1970-01-01T00:00:00Z")),
            (0x18, b"20500101000001Z", Some("2050-01-01T00:00:01Z")),
            (0x17, b"20500101000001Z", None),
            (0x18, b"261125141644Z", None),
            (0x17, b"261125141644", None),
            (0x17, b"261325141644Z", None),
            (0x17, b"261100141644Z", None),
            (0x17, b"2611251416+4Z", None),
            (0x18, b"20500101000001.5Z", None),
            (0x02, b"261125141644Z", None),
        ];
        for (tag, text, expected) in rows {
            assert_eq!(time(tag, text).map(Timestamp::rfc3339).as_deref(), expected, "{tag} {text:?}");
        }
    }
}
