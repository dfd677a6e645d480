//! What a column may be about, guessed from its name, its type and its comment; never from a value.
//!
//! A guess closes a column until somebody has looked at it: too many cost a steward a look, too few would show what
//! nobody has thought of. So words are taken generously, and the reason of each guess is told.

use crate::catalog::UpstreamColumn;
use crate::types::SqlType;

/// What a column is guessed to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guess {
    /// One of the tags of [`super::draft::TAGS`].
    pub(super) tag: &'static str,
    /// Why, for a person.
    pub(super) reason: String,
}

/// What kinds of value a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// Texts, and what is written as one: documents, types of the upstream's own.
    Texts,
    /// Texts and numbers.
    TextsAndNumbers,
    /// Texts, dates and times.
    TextsAndDates,
    /// All but truth values.
    Values,
    /// Anything.
    All,
}

struct Rule {
    tag: &'static str,
    of: Of,
    words: &'static [&'static str],
}

/// In this order: the first that fits is taken. Words of a phrase stand beside each other in a name, or in one piece.
#[rustfmt::skip]
const RULES: &[Rule] = &[
    Rule {
        tag: "SECRET",
        of: Of::Values,
        words: &[
            "password", "passwd", "pwd", "passphrase", "passcode", "secret", "token", "api key", "private key",
            "access key", "secret key", "encryption key", "credential", "salt", "otp", "totp", "pin", "pin code",
            "cvv", "cvc", "security code", "security answer", "security question", "hashed pw", "pw hash", "kennwort",
            "passwort",
        ],
    },
    Rule { tag: "EMAIL", of: Of::Texts, words: &["email", "e mail", "mail", "mail address"] },
    Rule {
        tag: "PHONE",
        of: Of::TextsAndNumbers,
        words: &[
            "phone", "telephone", "telefon", "tel", "mobile", "cellphone", "cell", "fax", "msisdn", "handy",
            "whatsapp",
        ],
    },
    Rule {
        tag: "NATIONAL_ID",
        of: Of::TextsAndNumbers,
        words: &[
            "ssn", "social security", "sin", "nin", "nino", "national id", "national number", "national insurance",
            "identity number", "identity card", "id card", "passport", "tax id", "tax number", "taxpayer", "tin",
            "itin", "vat number", "personnummer", "steuer", "steuernummer", "cpf", "cnpj", "curp", "rfc", "dni",
            "nie", "nif", "bsn", "aadhaar", "pesel", "driver license", "drivers license", "driving license",
            "licence number", "license number", "license plate", "health insurance", "insurance number", "medicare",
            "nhs number",
        ],
    },
    Rule {
        tag: "BANK_ACCOUNT",
        of: Of::TextsAndNumbers,
        words: &[
            "iban", "bban", "bic", "swift", "account number", "account no", "acct no", "bank account", "acct number",
            "routing number", "sort code", "kontonummer", "blz",
        ],
    },
    Rule {
        tag: "CARD",
        of: Of::TextsAndNumbers,
        words: &[
            "card number", "card no", "card num", "credit card", "debit card", "creditcard", "cc number", "cc num",
            "ccn", "pan", "cardholder",
        ],
    },
    Rule {
        tag: "BIRTH_DATE",
        of: Of::TextsAndDates,
        words: &[
            "birth", "birthday", "birthdate", "born", "dob", "date of birth", "geburtsdatum", "geburtstag",
            "naissance", "nacimiento", "death",
        ],
    },
    Rule {
        tag: "BIRTH_DATE",
        of: Of::TextsAndNumbers,
        words: &["birth year", "year of birth", "age", "birth month", "birth day"],
    },
    Rule {
        tag: "ONLINE_ID",
        of: Of::Values,
        words: &[
            "ip", "ipv", "ip address", "ip addr", "remote addr", "remote address", "client addr", "mac",
            "mac address", "mac addr", "user agent", "device id", "imei", "imsi", "iccid", "advertising id", "idfa",
            "gaid", "cookie", "session id", "session key", "fingerprint", "twitter", "facebook", "linkedin",
            "instagram", "github", "skype",
        ],
    },
    Rule {
        tag: "SALARY",
        of: Of::Values,
        words: &[
            "salary", "wage", "wages", "payroll", "compensation", "income", "gross pay", "net pay", "base pay",
            "pay rate", "hourly rate", "bonus", "stipend", "gehalt", "lohn",
        ],
    },
    Rule {
        tag: "NAME",
        of: Of::Texts,
        words: &[
            "first name", "last name", "full name", "middle name", "given name", "family name", "maiden name",
            "surname", "forename", "fname", "lname", "nickname", "nick name", "display name", "user name", "username",
            "login", "person name", "customer name", "contact name", "employee name", "patient name", "client name",
            "author name", "owner name", "name on card", "vorname", "nachname", "prenom", "apellido",
            "contact person", "signature",
        ],
    },
    Rule {
        tag: "ADDRESS",
        of: Of::TextsAndNumbers,
        words: &[
            "address", "addr", "street", "strasse", "house number", "house no", "apartment", "zip", "zip code",
            "post code", "postal", "plz", "po box",
        ],
    },
    Rule {
        tag: "LOCATION",
        of: Of::Values,
        words: &[
            "latitude", "longitude", "lat", "lon", "lng", "geo", "geom", "geometry", "geolocation", "gps",
            "coordinates", "coord",
        ],
    },
    Rule {
        tag: "SPECIAL_CATEGORY",
        of: Of::All,
        words: &[
            "gender", "sex", "race", "ethnicity", "ethnic", "religion", "religious", "nationality", "citizenship",
            "marital", "political", "party membership", "union member", "orientation", "disability", "disabled",
            "health", "medical", "diagnosis", "disease", "blood type", "blood group", "allergy", "medication",
            "pregnant", "genetic", "biometric", "criminal", "conviction",
        ],
    },
    Rule {
        tag: "NOTES",
        of: Of::Texts,
        words: &[
            "note", "notes", "comment", "remark", "memo", "message", "body", "content", "bio", "biography",
            "feedback", "free text", "freetext", "transcript", "reply", "review text", "raw", "payload", "resume",
            "cv", "attachment", "photo", "picture", "avatar",
        ],
    },
];

/// Words in a relation's name that make a plain `name` in it that of a person.
#[rustfmt::skip]
const PEOPLE: &[&str] = &[
    "person", "people", "user", "customer", "client", "employee", "staff", "contact", "patient", "member", "author",
    "student", "teacher", "passenger", "guest", "applicant", "candidate", "subscriber", "owner", "driver", "doctor",
    "actor", "lead", "buyer", "seller", "personnel", "profile", "account", "kunde", "mitarbeiter",
];

/// Words of a comment that say it outright.
const SAID: &[&str] =
    &["pii", "personal data", "personally identifiable", "gdpr", "confidential", "sensitive", "secret", "private"];

/// What a column may be; `None`: nothing hints at anything.
pub(super) fn guess(column: &UpstreamColumn, relation: &str) -> Option<Guess> {
    let sql_type = column.sql_type();
    by_type(&sql_type)
        .or_else(|| by_name(&column.name, &sql_type, relation))
        .or_else(|| by_type_name(&sql_type))
        .or_else(|| by_comment(column.comment.as_deref()?))
}

fn by_type(sql_type: &SqlType) -> Option<Guess> {
    let SqlType::Other(name) = sql_type else { return None };
    match name.trim_end_matches("[]") {
        "inet" | "cidr" | "macaddr" | "macaddr8" => {
            Some(Guess { tag: "ONLINE_ID", reason: format!("its type is {name}") })
        }
        "point" | "circle" | "polygon" | "path" => {
            Some(Guess { tag: "LOCATION", reason: format!("its type is {name}") })
        }
        _other => None,
    }
}

fn by_name(name: &str, sql_type: &SqlType, relation: &str) -> Option<Guess> {
    let words = words(name);
    // `address_id` is a key to an address, and none.
    let is_key = words.last().is_some_and(|last| last == "id") && (sql_type.is_integer() || *sql_type == SqlType::Uuid);
    for rule in RULES.iter().filter(|rule| is_of(sql_type, rule.of)) {
        let fits = |phrase: &&&str| has(&words, phrase) && (!is_key || phrase.split(' ').any(|word| word == "id"));
        if let Some(phrase) = rule.words.iter().find(fits) {
            return Some(Guess { tag: rule.tag, reason: format!("\"{phrase}\" in its name") });
        }
    }
    let of_people = || self::words(relation).iter().any(|word| PEOPLE.iter().any(|person| is_word(word, person)));
    if words == ["name"] && is_of(sql_type, Of::Texts) && of_people() {
        return Some(Guess { tag: "NAME", reason: "a name, in a relation that seems to be about people".to_owned() });
    }
    is_document(sql_type).then(|| Guess { tag: "NOTES", reason: "a document, in which anything may stand".to_owned() })
}

/// A domain or another type of the upstream's own is often called what it is.
fn by_type_name(sql_type: &SqlType) -> Option<Guess> {
    let SqlType::Other(name) = sql_type else { return None };
    let words = words(name.rsplit('.').next()?);
    let rule = RULES.iter().find(|rule| rule.words.iter().any(|phrase| has(&words, phrase)))?;
    Some(Guess { tag: rule.tag, reason: format!("its type is {name}") })
}

fn by_comment(comment: &str) -> Option<Guess> {
    let words = words(comment);
    let said = SAID.iter().find(|phrase| has(&words, phrase))?;
    Some(Guess { tag: "SENSITIVE", reason: format!("\"{said}\" in its comment") })
}

fn is_of(sql_type: &SqlType, of: Of) -> bool {
    let text = is_text(sql_type);
    let number = sql_type.is_number()
        || matches!(sql_type, SqlType::Other(name) if name.starts_with("numeric") || name == "money");
    match of {
        Of::Texts => text,
        Of::TextsAndNumbers => text || number,
        Of::TextsAndDates => text || sql_type.is_temporal(),
        Of::Values => *sql_type != SqlType::Boolean,
        Of::All => true,
    }
}

/// Texts, documents, and types whose values nobody here knows.
fn is_text(sql_type: &SqlType) -> bool {
    match sql_type {
        SqlType::Text | SqlType::Bytea | SqlType::Json => true,
        SqlType::Array(of) => is_text(of),
        SqlType::Other(name) => !name.starts_with("numeric") && name != "money",
        SqlType::Boolean
        | SqlType::SmallInt
        | SqlType::Integer
        | SqlType::BigInt
        | SqlType::Real
        | SqlType::Double
        | SqlType::Numeric { .. }
        | SqlType::Date
        | SqlType::Time
        | SqlType::Timestamp
        | SqlType::TimestampTz
        | SqlType::Interval
        | SqlType::Uuid => false,
    }
}

fn is_document(sql_type: &SqlType) -> bool {
    match sql_type {
        SqlType::Json | SqlType::Bytea => true,
        SqlType::Array(of) => is_document(of),
        SqlType::Other(name) => {
            matches!(name.trim_end_matches("[]").rsplit('.').next(), Some("xml" | "hstore" | "tsvector" | "jsonpath"))
        }
        _plain => false,
    }
}

/// The words of a name, small: `customerEmail2` has `customer`, `email` and `2`.
fn words(name: &str) -> Vec<String> {
    #[derive(PartialEq, Clone, Copy)]
    enum Kind {
        Upper,
        Lower,
        Digit,
        Between,
    }
    let kind = |letter: char| match letter {
        letter if letter.is_uppercase() => Kind::Upper,
        letter if letter.is_alphabetic() => Kind::Lower,
        letter if letter.is_numeric() => Kind::Digit,
        _other => Kind::Between,
    };
    let letters: Vec<char> = name.chars().collect();
    let mut words: Vec<String> = Vec::new();
    let mut before = Kind::Between;
    for (at, letter) in letters.iter().enumerate() {
        let now = kind(*letter);
        let next = letters.get(at.saturating_add(1)).map_or(Kind::Between, |next| kind(*next));
        // `userIP` breaks before the I, `IPAddress` before the A.
        let breaks = match (before, now) {
            (_, Kind::Between) => false,
            (Kind::Upper, Kind::Upper) => next == Kind::Lower,
            (Kind::Upper, Kind::Lower) => false,
            (before, now) => before != now,
        };
        if breaks {
            words.push(String::new());
        }
        if now != Kind::Between
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
        before = now;
    }
    words
}

fn has(words: &[String], phrase: &str) -> bool {
    let parts: Vec<&str> = phrase.split(' ').collect();
    let in_one = parts.concat();
    words.iter().any(|word| is_word(word, &in_one))
        || words.windows(parts.len()).any(|window| window.iter().zip(&parts).all(|(word, part)| is_word(word, part)))
}

/// The word, or its plural.
fn is_word(written: &str, word: &str) -> bool {
    written == word
        || written.strip_suffix('s').is_some_and(|singular| singular == word)
        || written.strip_suffix("es").is_some_and(|singular| singular == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(name: &str, type_name: &str, relation: &str, comment: Option<&str>) -> Option<&'static str> {
        let column = UpstreamColumn {
            name: name.into(),
            type_name: type_name.into(),
            nullable: true,
            is_readable: true,
            comment: comment.map(Into::into),
        };
        guess(&column, relation).map(|guess| guess.tag)
    }

    #[test]
    fn names_and_types_give_columns_away() {
        #[rustfmt::skip]
        let cases = [
            ("email", "text", Some("EMAIL")), ("customerEmail2", "character varying(80)", Some("EMAIL")), ("emails", "text[]", Some("EMAIL")),
            ("E_MAIL", "text", Some("EMAIL")), ("contact", "public.email_address", Some("EMAIL")), ("email", "public.citext", Some("EMAIL")),
            ("email_sent_at", "timestamp with time zone", None), ("email_verified", "boolean", None), ("email_id", "bigint", None),
            ("phone", "bigint", Some("PHONE")), ("mobile_no", "text", Some("PHONE")), ("ssn", "text", Some("NATIONAL_ID")),
            ("iban", "text", Some("BANK_ACCOUNT")), ("accountNumber", "bigint", Some("BANK_ACCOUNT")), ("account_id", "bigint", None),
            ("credit_card_number", "text", Some("CARD")), ("cvv", "smallint", Some("SECRET")), ("born", "date", Some("BIRTH_DATE")),
            ("dateOfBirth", "date", Some("BIRTH_DATE")), ("age", "integer", Some("BIRTH_DATE")), ("page", "integer", None),
            ("client_ip", "text", Some("ONLINE_ID")), ("userIP", "text", Some("ONLINE_ID")), ("IPAddress", "text", Some("ONLINE_ID")),
            ("seen_from", "inet", Some("ONLINE_ID")), ("shipped", "text", None), ("ip_address", "inet", Some("ONLINE_ID")),
            ("salary", "numeric", Some("SALARY")), ("base_pay", "numeric(12,2)", Some("SALARY")), ("first_name", "text", Some("NAME")),
            ("lastname", "text", Some("NAME")), ("street", "text", Some("ADDRESS")), ("address_id", "bigint", None), ("device_id", "uuid", Some("ONLINE_ID")),
            ("zip", "character(5)", Some("ADDRESS")), ("lat", "double precision", Some("LOCATION")), ("place", "point", Some("LOCATION")),
            ("gender", "sales.gender", Some("SPECIAL_CATEGORY")), ("disabled", "boolean", Some("SPECIAL_CATEGORY")),
            ("notes", "text", Some("NOTES")), ("extra", "jsonb", Some("NOTES")), ("blob", "bytea", Some("NOTES")),
            ("password_hash", "text", Some("SECRET")), ("apiKey", "text", Some("SECRET")), ("amount", "numeric(12,2)", None),
            ("id", "bigint", None), ("region", "text", None), ("created_at", "timestamp with time zone", None), ("prénom", "text", None),
            ("is_active", "boolean", None), ("", "text", None), ("__", "text", None), ("日本", "text", None),
        ];
        for (name, type_name, expected) in cases {
            assert_eq!(tag(name, type_name, "orders", None), expected, "{name} {type_name}");
        }
        assert_eq!(tag("name", "text", "products", None), None);
        assert_eq!(tag("name", "text", "CustomerContacts", None), Some("NAME"));
        assert_eq!(tag("code", "text", "orders", Some("GDPR: only for the works council")), Some("SENSITIVE"));
        assert_eq!(tag("code", "text", "orders", Some("the code")), None);
    }

    #[test]
    fn every_tag_of_a_rule_is_defined() {
        for rule in RULES {
            assert!(super::super::draft::TAGS.iter().any(|tag| tag.name == rule.tag), "{}", rule.tag);
        }
    }
}
