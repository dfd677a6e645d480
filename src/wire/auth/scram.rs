//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the server's side (RFC 5802, RFC 7677; RFC 5929 for `tls-server-end-point`).
//!
//! A pure state machine: messages in, messages out. It never sees a password, only what PostgreSQL stores of one.

use crate::wire::VerifierForm;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

/// The mechanism without channel binding.
pub const MECHANISM: &str = "SCRAM-SHA-256";
/// The mechanism with channel binding.
pub const MECHANISM_PLUS: &str = "SCRAM-SHA-256-PLUS";
/// PostgreSQL's `scram_iterations`.
pub const DEFAULT_ITERATIONS: u32 = 4096;
/// Bytes of salt in a verifier.
pub const SALT_BYTES: usize = 16;

type Key = [u8; 32];

/// What is stored of a password, in PostgreSQL's form: `SCRAM-SHA-256$4096:salt$StoredKey:ServerKey`.
#[derive(Clone)]
pub struct Verifier {
    iterations: u32,
    salt: Vec<u8>,
    stored_key: Zeroizing<Key>,
    server_key: Zeroizing<Key>,
    /// 0 for a verifier that was made up: no proof fits it.
    genuine: Choice,
}

impl Verifier {
    /// Reads PostgreSQL's form; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(MECHANISM)?.strip_prefix('$')?;
        let (work, keys) = rest.split_once('$')?;
        let (iterations, salt) = work.split_once(':')?;
        let (stored_key, server_key) = keys.split_once(':')?;
        let key = |text: &str| Some(Zeroizing::new(Key::try_from(STANDARD.decode(text).ok()?).ok()?));
        Some(Self {
            iterations: iterations
                .parse()
                .ok()
                .filter(|iterations| (1..=i32::MAX.unsigned_abs()).contains(iterations))?,
            salt: STANDARD.decode(salt).ok().filter(|salt| !salt.is_empty())?,
            stored_key: key(stored_key)?,
            server_key: key(server_key)?,
            genuine: Choice::from(1),
        })
    }

    /// What can be told of it by anybody who asks.
    pub fn form(&self) -> VerifierForm {
        VerifierForm { iterations: self.iterations, salt_bytes: self.salt.len() }
    }

    /// A verifier for somebody who has none: the same salt each time, and no password fits. `secret` is the gateway's.
    /// `form` gives the form that it has, by a number that is the user's.
    pub fn made_up(secret: &[u8], user: &str, form: impl FnOnce(u64) -> VerifierForm) -> Self {
        let derive = |purpose: &str| hmac(secret, &[purpose.as_bytes(), b"\0", user.as_bytes()]);
        let number = derive("form").into_iter().take(8).fold(0, |number: u64, byte| (number << 8) | u64::from(byte));
        let VerifierForm { iterations, salt_bytes } = form(number);
        let salt = (0_u32..).flat_map(|block| hmac(&derive("salt"), &[&block.to_be_bytes()]));
        Self {
            iterations,
            salt: salt.take(salt_bytes).collect(),
            stored_key: Zeroizing::new(derive("stored key")),
            server_key: Zeroizing::new(derive("server key")),
            genuine: Choice::from(0),
        }
    }
}

/// Makes the verifier of a password, in PostgreSQL's form. The password is prepared by SASLprep (RFC 4013); one that
/// can't be is taken as it is, as PostgreSQL does.
pub fn make_verifier(password: &str, iterations: u32, salt: &[u8]) -> String {
    let iterations = iterations.max(1);
    // A usize has at least 32 bits wherever this runs.
    let salted =
        Zeroizing::new(pgwire::api::auth::sasl::scram::gen_salted_password(password, salt, iterations as usize));
    let client_key = Zeroizing::new(hmac(&salted, &[b"Client Key"]));
    let stored_key = Sha256::digest(client_key.as_slice());
    let server_key = Zeroizing::new(hmac(&salted, &[b"Server Key"]));
    format!(
        "{MECHANISM}${iterations}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored_key),
        STANDARD.encode(server_key.as_slice())
    )
}

/// A new verifier with a salt of its own.
pub fn make_verifier_with_random_salt(password: &str) -> String {
    make_verifier(password, DEFAULT_ITERATIONS, &rand::random::<[u8; SALT_BYTES]>())
}

/// Why an exchange ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// A message that is none of SCRAM's.
    #[error("malformed SCRAM message")]
    Malformed,
    /// Something of SCRAM that is not spoken here: an authorization identity, a mandatory extension.
    #[error("unsupported SCRAM feature")]
    Unsupported,
    /// The client's and the server's view of the channel differ: somebody may be in between.
    #[error("SCRAM channel binding check failed")]
    ChannelBinding,
    /// The password is wrong, or there is none.
    #[error("password does not match")]
    Proof,
}

/// What is agreed about the channel before the exchange.
#[derive(Debug, Clone, Copy)]
pub struct Channel<'a> {
    /// `tls-server-end-point`, if this connection has one: then PLUS was offered.
    pub end_point: Option<&'a [u8]>,
    /// Whether the client chose PLUS.
    pub plus: bool,
}

/// An exchange after the server's first message.
pub struct Exchange {
    verifier: Verifier,
    client_first_bare: String,
    server_first: String,
    nonce: String,
    /// What `c=` must decode to.
    binding: Vec<u8>,
}

impl Exchange {
    /// Takes the client's first message and gives the server's. `server_nonce` is printable text without a comma.
    ///
    /// # Errors
    /// [`ScramError::ChannelBinding`] if the flag does not go with the mechanism, or the client believes that the server
    /// can't bind although it offered to.
    pub fn begin(
        verifier: Verifier,
        channel: Channel<'_>,
        server_nonce: &str,
        client_first: &[u8],
    ) -> Result<(Self, String), ScramError> {
        let text = std::str::from_utf8(client_first).map_err(|_| ScramError::Malformed)?;
        let (flag, rest) = text.split_once(',').ok_or(ScramError::Malformed)?;
        let (identity, bare) = rest.split_once(',').ok_or(ScramError::Malformed)?;
        let mut binding = format!("{flag},{identity},").into_bytes();
        match flag {
            "n" if !channel.plus => {}
            "y" if !channel.plus && channel.end_point.is_none() => {}
            "p=tls-server-end-point" if channel.plus => {
                binding.extend_from_slice(channel.end_point.ok_or(ScramError::ChannelBinding)?);
            }
            _ if flag == "n" || flag == "y" || flag.starts_with("p=") => return Err(ScramError::ChannelBinding),
            _ => return Err(ScramError::Malformed),
        }
        if !identity.is_empty() {
            return Err(ScramError::Unsupported);
        }
        let mut attributes = bare.split(',');
        match attributes.next() {
            // The name that counts is the start-up message's.
            Some(name) if name.starts_with("n=") => {}
            Some(extension) if extension.starts_with("m=") => return Err(ScramError::Unsupported),
            _ => return Err(ScramError::Malformed),
        }
        let client_nonce = attributes
            .next()
            .and_then(|attribute| attribute.strip_prefix("r="))
            .filter(|nonce| !nonce.is_empty() && nonce.bytes().all(|byte| byte.is_ascii_graphic()))
            .ok_or(ScramError::Malformed)?;
        let nonce = format!("{client_nonce}{server_nonce}");
        let server_first = format!("r={nonce},s={},i={}", STANDARD.encode(&verifier.salt), verifier.iterations);
        let exchange =
            Self { verifier, client_first_bare: bare.to_owned(), server_first: server_first.clone(), nonce, binding };
        Ok((exchange, server_first))
    }

    /// Takes the client's final message. If the proof is right, gives the server's final message.
    ///
    /// # Errors
    /// [`ScramError::Proof`] if it is wrong, or the verifier was made up; the same work is done for both.
    pub fn finish(self, client_final: &[u8]) -> Result<String, ScramError> {
        let text = std::str::from_utf8(client_final).map_err(|_| ScramError::Malformed)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(ScramError::Malformed)?;
        let mut attributes = without_proof.split(',');
        let binding =
            attributes.next().and_then(|attribute| attribute.strip_prefix("c=")).ok_or(ScramError::Malformed)?;
        let binding = STANDARD.decode(binding).map_err(|_| ScramError::Malformed)?;
        if !bool::from(binding.ct_eq(&self.binding)) {
            return Err(ScramError::ChannelBinding);
        }
        let nonce =
            attributes.next().and_then(|attribute| attribute.strip_prefix("r=")).ok_or(ScramError::Malformed)?;
        if !bool::from(nonce.as_bytes().ct_eq(self.nonce.as_bytes())) {
            return Err(ScramError::Malformed);
        }
        let proof =
            STANDARD.decode(proof).ok().and_then(|proof| Key::try_from(proof).ok()).ok_or(ScramError::Malformed)?;

        let auth_message: [&[u8]; 5] =
            [self.client_first_bare.as_bytes(), b",", self.server_first.as_bytes(), b",", without_proof.as_bytes()];
        let signature = hmac(self.verifier.stored_key.as_slice(), &auth_message);
        let mut client_key = Zeroizing::new(proof);
        for (byte, mask) in client_key.iter_mut().zip(signature) {
            *byte ^= mask;
        }
        let fits = Sha256::digest(client_key.as_slice()).ct_eq(self.verifier.stored_key.as_slice());
        let server_signature = hmac(self.verifier.server_key.as_slice(), &auth_message);
        if bool::from(fits & self.verifier.genuine) {
            Ok(format!("v={}", STANDARD.encode(server_signature)))
        } else {
            Err(ScramError::Proof)
        }
    }
}

/// A nonce for the server's side.
pub fn random_nonce() -> String {
    STANDARD.encode(rand::random::<[u8; 18]>())
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Key {
    // The key is the standard's own padding where it is short and its digest where it is long, so any length will do.
    let mut block = Zeroizing::new([0_u8; 64]);
    let digest;
    let key = if key.len() > block.len() {
        digest = Sha256::digest(key);
        digest.as_slice()
    } else {
        key
    };
    for (slot, byte) in block.iter_mut().zip(key) {
        *slot = *byte;
    }
    let mut mac = Hmac::<Sha256>::new(&(*block).into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7677, section 3: user "user", password "pencil".
    const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";
    const CLIENT_FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const CLIENT_FINAL: &str =
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    fn pencil() -> Verifier {
        let salt = STANDARD.decode(SALT).unwrap();
        Verifier::parse(&make_verifier("pencil", 4096, &salt)).unwrap()
    }

    fn plain(_: u64) -> VerifierForm {
        VerifierForm { iterations: DEFAULT_ITERATIONS, salt_bytes: SALT_BYTES }
    }

    const PLAIN: Channel<'static> = Channel { end_point: None, plus: false };

    #[test]
    fn the_rfc_example_is_spoken_to_the_letter() {
        let (exchange, first) = Exchange::begin(pencil(), PLAIN, SERVER_NONCE, CLIENT_FIRST.as_bytes()).unwrap();
        assert_eq!(first, SERVER_FIRST);
        assert_eq!(exchange.finish(CLIENT_FINAL.as_bytes()), Ok(SERVER_FINAL.to_owned()));
    }

    #[test]
    fn a_wrong_proof_and_a_made_up_verifier_end_alike() {
        let (exchange, _) = Exchange::begin(pencil(), PLAIN, SERVER_NONCE, CLIENT_FIRST.as_bytes()).unwrap();
        let wrong = CLIENT_FINAL.replace("p=dHzb", "p=AAAA");
        assert_eq!(exchange.finish(wrong.as_bytes()), Err(ScramError::Proof));
        let made_up = Verifier::made_up(&[7; 32], "nobody", plain);
        let (exchange, first) = Exchange::begin(made_up, PLAIN, SERVER_NONCE, CLIENT_FIRST.as_bytes()).unwrap();
        assert!(first.ends_with(",i=4096"));
        assert_eq!(exchange.finish(CLIENT_FINAL.as_bytes()), Err(ScramError::Proof));
    }

    #[test]
    fn a_made_up_verifier_has_the_same_salt_each_time() {
        let salt = |secret: &Key, user| Verifier::made_up(secret, user, plain).salt;
        assert_eq!(salt(&[7; 32], "a"), salt(&[7; 32], "a"));
        assert_ne!(salt(&[7; 32], "a"), salt(&[7; 32], "b"));
        assert_ne!(salt(&[7; 32], "a"), salt(&[8; 32], "a"));
        assert_eq!(salt(&[7; 32], "a").len(), SALT_BYTES);
        let long = VerifierForm { iterations: 9, salt_bytes: 100 };
        let made_up = Verifier::made_up(&[7; 32], "a", |_| long);
        assert_eq!((made_up.form(), made_up.salt.len()), (long, 100));
    }

    #[test]
    fn a_downgraded_channel_is_noticed() {
        let begin =
            |channel, first: &str| Exchange::begin(pencil(), channel, SERVER_NONCE, first.as_bytes()).map(|_| ());
        let bound = |plus| Channel { end_point: Some(b"hash"), plus };
        assert_eq!(begin(bound(false), "y,,n=,r=abc"), Err(ScramError::ChannelBinding), "PLUS was offered");
        assert_eq!(begin(PLAIN, "y,,n=,r=abc"), Ok(()));
        assert_eq!(begin(bound(false), "n,,n=,r=abc"), Ok(()));
        assert_eq!(begin(bound(true), "n,,n=,r=abc"), Err(ScramError::ChannelBinding));
        assert_eq!(begin(bound(false), "p=tls-server-end-point,,n=,r=abc"), Err(ScramError::ChannelBinding));
        assert_eq!(begin(bound(true), "p=tls-unique,,n=,r=abc"), Err(ScramError::ChannelBinding));
        assert_eq!(begin(bound(true), "p=tls-server-end-point,,n=,r=abc"), Ok(()));
    }

    #[test]
    fn binding_data_must_be_this_channels() {
        let channel = Channel { end_point: Some(b"hash"), plus: true };
        let first = b"p=tls-server-end-point,,n=,r=abc";
        let final_with = |data: &[u8]| {
            let mut binding = b"p=tls-server-end-point,,".to_vec();
            binding.extend_from_slice(data);
            format!("c={},r=abcXYZ,p={}", STANDARD.encode(binding), STANDARD.encode([0_u8; 32]))
        };
        let (exchange, _) = Exchange::begin(pencil(), channel, "XYZ", first).unwrap();
        assert_eq!(exchange.finish(final_with(b"other").as_bytes()), Err(ScramError::ChannelBinding));
        let (exchange, _) = Exchange::begin(pencil(), channel, "XYZ", first).unwrap();
        assert_eq!(exchange.finish(final_with(b"hash").as_bytes()), Err(ScramError::Proof));
    }

    #[test]
    fn malformed_messages_are_refused() {
        for first in ["", "n", "n,", "n,,", "x,,n=a,r=b", "n,,r=b", "n,,n=a", "n,,n=a,r=", "n,,n=a,r=\u{e9}"] {
            let result = Exchange::begin(pencil(), PLAIN, "s", first.as_bytes()).map(|_| ());
            assert_eq!(result, Err(ScramError::Malformed), "{first:?}");
        }
        assert_eq!(Exchange::begin(pencil(), PLAIN, "s", b"n,,m=x,n=a,r=b").map(|_| ()), Err(ScramError::Unsupported));
        assert_eq!(
            Exchange::begin(pencil(), PLAIN, "s", b"n,a=root,n=a,r=b").map(|_| ()),
            Err(ScramError::Unsupported)
        );
        for last in ["", "c=biws", "c=biws,r=bs", "c=!,r=bs,p=AA==", "c=biws,r=bs,p=AA==", "c=biws,r=other,p=AA=="] {
            let (exchange, _) = Exchange::begin(pencil(), PLAIN, "s", b"n,,n=a,r=b").unwrap();
            assert_eq!(exchange.finish(last.as_bytes()), Err(ScramError::Malformed), "{last:?}");
        }
        let (exchange, _) = Exchange::begin(pencil(), PLAIN, "s", b"n,,n=a,r=b").unwrap();
        assert_eq!(exchange.finish(b"\xff"), Err(ScramError::Malformed));
    }

    #[test]
    fn verifiers_have_the_form_that_postgres_stores() {
        let text = make_verifier("pencil", 4096, &STANDARD.decode(SALT).unwrap());
        assert!(text.starts_with("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"));
        assert!(Verifier::parse(&text).is_some());
        for broken in ["", "md5abc", "SCRAM-SHA-256$0:AA==$AA==:AA==", "SCRAM-SHA-256$4096:AA==$AA==:AA=="] {
            assert!(Verifier::parse(broken).is_none(), "{broken}");
        }
        assert!(Verifier::parse(&text.replace("4096", "-1")).is_none());
        assert_ne!(make_verifier_with_random_salt("x"), make_verifier_with_random_salt("x"));
    }

    #[test]
    fn passwords_are_prepared_as_clients_do() {
        // RFC 4013: a soft hyphen maps to nothing, U+2168 to IX.
        assert_eq!(make_verifier("I\u{ad}X", 1, b"salt"), make_verifier("IX", 1, b"salt"));
        assert_eq!(make_verifier("\u{2168}", 1, b"salt"), make_verifier("IX", 1, b"salt"));
    }

    #[test]
    fn hmac_takes_keys_of_any_length() {
        // RFC 4231, test cases 2 and 6.
        assert!(hex::encode(hmac(b"Jefe", &[b"what do ya want for nothing?"])).starts_with("5bdcc146bf60754e6a042426"));
        let long = hmac(&[0xaa; 131], &[b"Test Using Larger Than Block-Size Key - Hash Key First"]);
        assert!(hex::encode(long).starts_with("60e431591ee0b67f0d8a26aacbf5b77f"));
    }
}
