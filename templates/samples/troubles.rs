//! The pages nobody wants to see.

use super::{Frames, Sample, sample};
use crate::{Failure, FailureKind, Limitation, LimitedAccess, SignedOut, failure, limited_access, signed_out};

pub(super) fn samples(frames: &Frames<'_>) -> Vec<Sample> {
    let mut all = limited(frames);
    all.extend(signed_outs(frames));
    all.extend(failures(frames));
    all
}

fn limited(frames: &Frames<'_>) -> Vec<Sample> {
    let page = |limitation, frame| limited_access(&LimitedAccess { frame, limitation });
    vec![
        sample(
            "limited-not-an-administrator",
            "Limited access: no administrator",
            page(Limitation::NotAnAdministrator, &frames.member),
        ),
        sample(
            "limited-second-factor-missing",
            "Limited access: no second factor",
            page(Limitation::SecondFactorMissing, &frames.admin),
        ),
        sample(
            "limited-recovery-code",
            "Limited access: came in with a recovery code",
            page(Limitation::SignedInWithRecoveryCode, &frames.admin),
        ),
    ]
}

fn signed_outs(frames: &Frames<'_>) -> Vec<Sample> {
    let page = |login| signed_out(&SignedOut { frame: &frames.nobody, login });
    vec![
        sample("signed-out", "Logged out", page(Some("/login"))),
        sample("signed-out-no-login", "Logged out: login address not known", page(None)),
    ]
}

fn failures(frames: &Frames<'_>) -> Vec<Sample> {
    let page = |kind, retry| failure(&Failure { frame: &frames.nobody, kind, request: "01KAR5Z3M8", retry });
    let again = Some("/reports/42");
    let login = FailureKind::LoginNeeded { login: Some("/login?from=/reports/42") };
    vec![
        sample("failure-bad-request", "400", page(FailureKind::BadRequest, None)),
        sample("failure-login-needed", "401", page(login, None)),
        sample(
            "failure-login-needed-somewhere",
            "401, login address not known",
            page(FailureKind::LoginNeeded { login: None }, None),
        ),
        sample("failure-https-needed", "403, without TLS", page(FailureKind::HttpsNeeded, None)),
        sample("failure-sent-from-elsewhere", "403", page(FailureKind::SentFromElsewhere, None)),
        sample("failure-not-found", "404", page(FailureKind::NotFound, None)),
        sample("failure-method-not-allowed", "405", page(FailureKind::MethodNotAllowed, None)),
        sample("failure-too-large", "413", page(FailureKind::TooLarge, None)),
        sample("failure-unsupported-media-type", "415", page(FailureKind::UnsupportedMediaType, None)),
        sample("failure-unknown-host", "421", page(FailureKind::UnknownHost, None)),
        sample("failure-internal", "500", page(FailureKind::Internal, again)),
        sample("failure-upstream-unreachable", "502", page(FailureKind::UpstreamUnreachable, again)),
        sample("failure-identity-unknown", "503: identity unknown", page(FailureKind::IdentityUnknown, again)),
        sample("failure-store-unavailable", "503: store unavailable", page(FailureKind::StoreUnavailable, again)),
        sample("failure-upstream-timed-out", "504", page(FailureKind::UpstreamTimedOut, again)),
    ]
}
