//! The pages that ask for a code or show one.

use super::{DAY, Frames, NOW, Sample, ago, sample};
use crate::{
    Challenge, CodesAfter, Enrollment, EnrollmentReason, EnrollmentTicket, Qr, Recovery, RecoveryCodes, Refusal,
    challenge, enrollment, enrollment_ticket, recovery, recovery_codes,
};

const NEXT: &str = "/reports/42?period=q3&view=table";
const NOT_ACCEPTED: Option<Refusal> = Some(Refusal::NotAccepted { server_time: NOW });

pub(super) fn samples(frames: &Frames<'_>) -> Vec<Sample> {
    let mut all = challenges(frames);
    all.extend(recoveries(frames));
    all.extend(tickets(frames));
    all.extend(enrollments(frames));
    all.extend(new_codes(frames));
    all
}

fn challenges(frames: &Frames<'_>) -> Vec<Sample> {
    let page = |refusal| challenge(&Challenge { frame: &frames.pending, next: NEXT, refusal });
    vec![
        sample("challenge", "Challenge", page(None)),
        sample("challenge-refused", "Challenge: code not accepted", page(NOT_ACCEPTED)),
        sample("challenge-too-soon", "Challenge: too many tries", page(Some(Refusal::TooSoon { seconds: 80 }))),
        sample("challenge-expired", "Challenge: session expired", page(Some(Refusal::Expired))),
        sample("challenge-elsewhere", "Challenge: sent from elsewhere", page(Some(Refusal::SentFromElsewhere))),
    ]
}

fn recoveries(frames: &Frames<'_>) -> Vec<Sample> {
    let page = |refusal| recovery(&Recovery { frame: &frames.pending, next: NEXT, refusal });
    vec![
        sample("recovery", "Recovery code", page(None)),
        sample("recovery-refused", "Recovery code: not accepted", page(NOT_ACCEPTED)),
        sample("recovery-too-soon", "Recovery code: too many tries", page(Some(Refusal::TooSoon { seconds: 5 }))),
        sample("recovery-expired", "Recovery code: session expired", page(Some(Refusal::Expired))),
        sample("recovery-elsewhere", "Recovery code: sent from elsewhere", page(Some(Refusal::SentFromElsewhere))),
    ]
}

fn tickets(frames: &Frames<'_>) -> Vec<Sample> {
    let page = |reason, refusal| {
        let frame = if reason == EnrollmentReason::OwnWish { &frames.member } else { &frames.pending };
        enrollment_ticket(&EnrollmentTicket { frame, next: NEXT, reason, refusal })
    };
    let required = EnrollmentReason::RequiredByOrganization;
    let too_soon = Some(Refusal::TooSoon { seconds: 20 });
    vec![
        sample("ticket-required", "Ticket: required", page(required, None)),
        sample("ticket-reset", "Ticket: after a reset", page(EnrollmentReason::Reset { at: ago(2 * DAY) }, None)),
        sample("ticket-own-wish", "Ticket: own wish", page(EnrollmentReason::OwnWish, None)),
        sample("ticket-refused", "Ticket: not accepted", page(required, NOT_ACCEPTED)),
        sample("ticket-too-soon", "Ticket: too many tries", page(required, too_soon)),
        sample("ticket-expired", "Ticket: key expired", page(required, Some(Refusal::Expired))),
    ]
}

fn enrollments(frames: &Frames<'_>) -> Vec<Sample> {
    let qr = qr();
    let page = |reason, refusal| {
        enrollment(&Enrollment {
            frame: match reason {
                EnrollmentReason::RequiredByOrganization | EnrollmentReason::Reset { .. } => &frames.pending,
                EnrollmentReason::OwnWish | EnrollmentReason::Replacement => &frames.member,
            },
            next: NEXT,
            reason,
            qr: &qr,
            otpauth: OTPAUTH,
            secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
            label: "ada@acme.example (Acme Research, 1815)",
            refusal,
        })
    };
    let required = EnrollmentReason::RequiredByOrganization;
    vec![
        sample("enrollment-required", "Enrollment: required", page(required, None)),
        sample(
            "enrollment-reset",
            "Enrollment: after a reset",
            page(EnrollmentReason::Reset { at: ago(2 * DAY) }, None),
        ),
        sample("enrollment-own-wish", "Enrollment: own wish", page(EnrollmentReason::OwnWish, None)),
        sample("enrollment-replacement", "Enrollment: replacement", page(EnrollmentReason::Replacement, None)),
        sample("enrollment-refused", "Enrollment: code not accepted", page(required, NOT_ACCEPTED)),
        sample(
            "enrollment-too-soon",
            "Enrollment: too many tries",
            page(required, Some(Refusal::TooSoon { seconds: 10 })),
        ),
        sample("enrollment-expired", "Enrollment: key expired", page(required, Some(Refusal::Expired))),
        sample(
            "enrollment-elsewhere",
            "Enrollment: sent from elsewhere",
            page(required, Some(Refusal::SentFromElsewhere)),
        ),
    ]
}

const OTPAUTH: &str = "otpauth://totp/Acme%20Insights:ada%40acme.example%20%28Acme%20Research%2C%201815%29\
                       ?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Acme%20Insights&algorithm=SHA1&digits=6&period=30";

/// Looks like a QR code and is none: the three finders are in place, the rest is noise.
fn qr() -> Qr {
    const SIZE: usize = 33;
    Qr::new(SIZE, |x, y| {
        let finder = |x0: usize, y0: usize| {
            let (dx, dy) = (x.wrapping_sub(x0).wrapping_add(1), y.wrapping_sub(y0).wrapping_add(1));
            (dx < 9 && dy < 9).then(|| {
                let ring = dx.abs_diff(4).max(dy.abs_diff(4));
                ring < 2 || ring == 3
            })
        };
        let noise = || (x * 7919 + y * 104_729 + x * y * 31).wrapping_mul(2_654_435_761) >> 7 & 3 < 2;
        finder(0, 0).or_else(|| finder(SIZE - 7, 0)).or_else(|| finder(0, SIZE - 7)).unwrap_or_else(noise)
    })
}

fn new_codes(frames: &Frames<'_>) -> Vec<Sample> {
    let codes: Vec<String> = [
        "7K2M-9QXA-4TDF-W8ZC",
        "B3NH-5VJE-0RYG-6PSX",
        "2D8T-KM4Q-ZC7W-1FAH",
        "X9EJ-6YRB-3GVN-5SPK",
        "H4ZW-8CQD-T1MX-7JFE",
        "5RGA-2NPV-9KYS-B6HD",
        "M1XC-7FTZ-4WJQ-E8RN",
        "G6VY-3SKP-0HBD-2AMT",
        "Q8FZ-1EWX-5CJR-N9GY",
        "4PSV-D7HK-6TMB-3XQZ",
    ]
    .map(str::to_owned)
    .into();
    let page = |after, frame| recovery_codes(&RecoveryCodes { frame, codes: &codes, after, made: NOW, next: NEXT });
    vec![
        sample("codes-enrollment", "Recovery codes: after enrollment", page(CodesAfter::Enrollment, &frames.pending)),
        sample("codes-replacement", "Recovery codes: after replacement", page(CodesAfter::Replacement, &frames.member)),
        sample("codes-regeneration", "Recovery codes: new ones", page(CodesAfter::Regeneration, &frames.member)),
    ]
}
