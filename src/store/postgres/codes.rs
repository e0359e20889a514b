//! Codes that were right: each used up once, in the transaction that does what it was given for.

use tokio::try_join;

use super::accounts::lock;
use super::connection::Connection;
use super::failure::Outcome;
use super::tallies::{self, Turn};
use super::{attempts, audit, changes, enrollment, sessions};
use crate::second_factor::account::AccountId;
use crate::second_factor::event::{EventKind, Occasion};
use crate::second_factor::recovery::CodeDigest;
use crate::second_factor::session::{TokenDigest, VerifiedBy, VerifiedSession};
use crate::second_factor::throttle::Bucket;
use crate::store::{Acceptance, Effect, EnrolledKey, KeyId, MatchedStep};

pub(super) async fn enrolled_key(db: &Connection, account: AccountId) -> Outcome<Option<EnrolledKey>> {
    let sql = "SELECT key_number, secret, last_step FROM accounts WHERE id = $1 AND secret IS NOT NULL";
    let Some(row) = db.row(sql, &[&account]).await? else { return Ok(None) };
    Ok(Some(EnrolledKey { id: row.try_get(0)?, secret: row.try_get(1)?, last_step: row.try_get(2)? }))
}

pub(super) async fn accept_step(
    tx: &Connection,
    account: AccountId,
    matched: MatchedStep,
    effect: &Effect,
    occasion: &Occasion,
) -> Outcome<Acceptance> {
    let Some(locked) = lock(tx, account).await? else { return Ok(Acceptance::Gone) };
    let Some((key, last)) = locked.key.filter(|(key, _)| *key == matched.key) else { return Ok(Acceptance::Gone) };
    if matched.step <= last {
        return Ok(Acceptance::AlreadyUsed);
    }
    if !has_its_session(tx, account, effect).await? {
        return Ok(Acceptance::Gone);
    }
    let kind = match effect {
        Effect::SignIn(_) | Effect::StepUp { .. } | Effect::StartReplacement(_) => EventKind::Verified,
        Effect::Disable => EventKind::Disabled,
        Effect::RegenerateRecoveryCodes(_) => EventKind::RecoveryCodesRegenerated,
    };
    // Every sign-in waits for this, so it goes out together; none of it depends on what else of it is done first.
    let ((), session, ()) = try_join!(
        use_up(tx, account, matched, occasion),
        bring_about(tx, (account, key), effect, VerifiedBy::Totp, occasion),
        audit::about(tx, account, kind, occasion),
    )?;
    Ok(Acceptance::Accepted(session))
}

/// Uses up a step, and takes back the charge. If `disable` comes before, there is nothing left to write this to.
async fn use_up(tx: &Connection, account: AccountId, matched: MatchedStep, occasion: &Occasion) -> Outcome<()> {
    let sql = format!(
        "WITH {}, used AS (UPDATE accounts SET last_step = $3, last_used = $4 WHERE id = $1 AND secret IS NOT NULL) {}",
        attempts::NONE_IN_A_ROW,
        attempts::ONE_LESS
    );
    tx.execute(&sql, &[&account, &Bucket::Code, &matched.step, &occasion.at]).await?;
    Ok(())
}

pub(super) async fn spend(
    tx: &Connection,
    account: AccountId,
    code: CodeDigest,
    effect: &Effect,
    occasion: &Occasion,
) -> Outcome<Acceptance> {
    match effect {
        Effect::SignIn(_) | Effect::StepUp { .. } => {}
        Effect::Disable | Effect::RegenerateRecoveryCodes(_) | Effect::StartReplacement(_) => {
            return Err("a recovery code is not enough for that".into());
        }
    }
    let key = lock(tx, account).await?.and_then(|locked| locked.key);
    let Some((key, _)) = key else { return Ok(Acceptance::Gone) };
    if !has_its_session(tx, account, effect).await? {
        return Ok(Acceptance::Gone);
    }
    let sql = "DELETE FROM recovery_codes WHERE account = $1 AND digest = $2";
    if tx.execute(sql, &[&account, &code]).await? == 0 {
        return Ok(Acceptance::AlreadyUsed);
    }
    attempts::take_back(tx, account, Bucket::Recovery).await?;
    attempts::forget(tx, account, Bucket::Code).await?;
    let session = bring_about(tx, (account, key), effect, VerifiedBy::RecoveryCode, occasion).await?;
    audit::about(tx, account, EventKind::RecoveryCodeUsed, occasion).await?;
    Ok(Acceptance::Accepted(session))
}

/// Whether the verified session is still there that the effect happens in, if it happens in one. It stays until the end
/// of the transaction.
async fn has_its_session(tx: &Connection, account: AccountId, effect: &Effect) -> Outcome<bool> {
    match effect {
        Effect::SignIn(_) | Effect::Disable | Effect::RegenerateRecoveryCodes(_) => Ok(true),
        Effect::StepUp { session, .. } => {
            let sql = "SELECT 1 FROM sessions WHERE id = $1 AND account = $2 FOR UPDATE";
            Ok(tx.row(sql, &[session, &account]).await?.is_some())
        }
        Effect::StartReplacement(pending) => {
            Ok(pending.account == account && holds(tx, pending.session, account).await?)
        }
    }
}

/// Whether there is a verified session of that digest and account. It stays until the end of the transaction.
pub(super) async fn holds(tx: &Connection, session: TokenDigest, account: AccountId) -> Outcome<bool> {
    let sql = "SELECT 1 FROM sessions WHERE digest = $1 AND account = $2 FOR UPDATE";
    Ok(tx.row(sql, &[&session, &account]).await?.is_some())
}

async fn bring_about(
    tx: &Connection,
    (account, key): (AccountId, KeyId),
    effect: &Effect,
    by: VerifiedBy,
    occasion: &Occasion,
) -> Outcome<Option<VerifiedSession>> {
    match effect {
        Effect::SignIn(new) => return sessions::open(tx, account, new, by, occasion.at).await.map(Some),
        Effect::StepUp { session, digest } => {
            return sessions::renew(tx, *session, *digest, by, occasion.at).await.map(Some);
        }
        Effect::Disable => disable(tx, account, occasion).await?,
        Effect::RegenerateRecoveryCodes(codes) => replace_recovery_codes(tx, account, codes).await?,
        Effect::StartReplacement(pending) => enrollment::put(tx, pending, Some(key)).await?,
    }
    Ok(None)
}

async fn disable(tx: &Connection, account: AccountId, occasion: &Occasion) -> Outcome<()> {
    tx.execute(
        "UPDATE accounts SET secret = NULL, enrolled_at = NULL, last_step = NULL, last_used = NULL WHERE id = $1",
        &[&account],
    )
    .await?;
    delete_recovery_codes(tx, account).await?;
    sessions::end_all(tx, account, occasion.at).await?;
    tallies::count(tx, account, Turn::Left).await?;
    changes::account(tx, account, occasion.at).await
}

pub(super) async fn recovery_codes_left(db: &Connection, account: AccountId) -> Outcome<u32> {
    let row = db.row("SELECT count(*) FROM recovery_codes WHERE account = $1", &[&account]).await?;
    Ok(u32::try_from(row.ok_or("a count is one row")?.try_get::<_, i64>(0)?)?)
}

pub(super) async fn replace_recovery_codes(tx: &Connection, account: AccountId, codes: &[CodeDigest]) -> Outcome<()> {
    delete_recovery_codes(tx, account).await?;
    let sql = "INSERT INTO recovery_codes (account, digest) SELECT $1, unnest($2::BYTEA[])";
    tx.execute(sql, &[&account, &codes]).await?;
    Ok(())
}

pub(super) async fn delete_recovery_codes(tx: &Connection, account: AccountId) -> Outcome<()> {
    tx.execute("DELETE FROM recovery_codes WHERE account = $1", &[&account]).await?;
    Ok(())
}
