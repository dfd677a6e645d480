//! A made-up company with three tenants: its people, their pay, what they do, and what must not be read by everybody.

use super::DemoDataError;
use super::files::{folder, parquet};
use super::names::REGIONS;
use super::random::Random;
use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

const PEOPLE: i64 = 2_400;
const PEOPLE_FILES: usize = 4;
const TENANTS: [&str; 3] = ["acme", "globex", "initech"];
/// Departments with the salary, in whole units, that they begin at.
const DEPARTMENTS: [(&str, i64); 5] =
    [("HR", 42_000), ("FINANCE", 52_000), ("ENGINEERING", 61_000), ("SALES", 45_000), ("SUPPORT", 34_000)];
/// 2026-01-01 in days since 1970: the day on which the company is shown.
const TODAY: i64 = 20_454;
const MICROS_A_DAY: i64 = 86_400_000_000;

/// One person. Money is in cents.
struct Person {
    id: i64,
    tenant: &'static str,
    name: String,
    email: Option<String>,
    ssn: String,
    phone: Option<String>,
    born: i64,
    salary: i64,
    region: &'static str,
    department: &'static str,
    country: &'static str,
    notes: Option<String>,
    created: i64,
}

pub(super) fn write(path: &Path) -> Result<(), DemoDataError> {
    let people = people();
    for name in ["people", "hr", "tickets"] {
        folder(&path.join(name))?;
    }
    for (part, chunk) in people.chunks(people.len().div_ceil(PEOPLE_FILES).max(1)).enumerate() {
        table(&path.join(format!("people/part-{}.parquet", part + 1)), people_columns(chunk))?;
    }
    table(&path.join("payroll.parquet"), payroll(&people))?;
    table(&path.join("hr/investigations.parquet"), investigations(&people))?;
    table(&path.join("people_summary.parquet"), summary(&people))?;
    let tickets = tickets(&people);
    for (part, chunk) in tickets.chunks(tickets.len().div_ceil(2).max(1)).enumerate() {
        table(&path.join(format!("tickets/part-{}.parquet", part + 1)), ticket_columns(chunk))?;
    }
    text(&path.join("regions.csv"), &regions())?;
    text(&path.join("events.jsonl"), &events(&people))
}

fn people() -> Vec<Person> {
    let mut random = Random::new(2026);
    (1..=PEOPLE).filter_map(|id| person(id, &mut random)).collect()
}

/// Regions, departments and tenants go round, so that each has its share of each other; all else is drawn.
fn person(id: i64, random: &mut Random) -> Option<Person> {
    let turn = usize::try_from(id).ok()?;
    let region = REGIONS.get(turn % REGIONS.len())?;
    let (department, base) = *DEPARTMENTS.get(turn / REGIONS.len() % DEPARTMENTS.len())?;
    let tenant = TENANTS.get(turn / (REGIONS.len() * DEPARTMENTS.len()) % TENANTS.len())?;
    let countries: Vec<Option<_>> = region.countries.iter().map(Some).collect();
    let country = random.one_of(&countries)?;
    let (first, plain_first) = random.one_of(country.first);
    let (last, plain_last) = random.one_of(country.last);
    let name = match (country.last_name_first, last.is_ascii() || first.is_ascii()) {
        (true, false) => format!("{last}{first}"),
        (true, true) => format!("{last} {first}"),
        (false, _) => format!("{first} {last}"),
    };
    let email = match random.between(1, 120) {
        1 => Some("n/a".to_owned()),
        2..=4 => None,
        _ => Some(format!("{plain_first}.{plain_last}{id}@{tenant}.example.com")),
    };
    let phone = (!random.once_in(25)).then(|| format!("{}{:02}", country.phone, random.between(0, 99)));
    let ssn = format!("{}-{:02}-{:04}", random.between(900, 999), random.between(10, 49), random.between(1, 9_999));
    let notes = note(random, &name, email.as_deref(), phone.as_deref());
    Some(Person {
        id,
        tenant,
        name,
        email,
        ssn,
        phone,
        born: TODAY - random.between(20 * 365, 67 * 365),
        salary: (base + random.between(0, 400) * random.between(0, 200)) * 100 + random.between(0, 1) * 50,
        region: region.code,
        department,
        country: country.code,
        notes,
        created: (TODAY - random.between(1, 4_000)) * MICROS_A_DAY + random.between(0, MICROS_A_DAY - 1),
    })
}

fn note(random: &mut Random, name: &str, email: Option<&str>, phone: Option<&str>) -> Option<String> {
    match random.between(1, 10) {
        1 => Some(format!("prefers to be reached at {}", phone.or(email).unwrap_or("the front desk"))),
        2 => email.map(|email| format!("invoices go to {email}, not to the shared mailbox")),
        3 => Some(format!("{name} has asked for a copy of all data about them")),
        4 => Some("allergic to nuts 🥜; told the canteen".to_owned()),
        5 => Some("on parental leave until summer".to_owned()),
        6 => Some("says \"no\" to photographs; it's in the file".to_owned()),
        _ => None,
    }
}

fn people_columns(people: &[Person]) -> Columns {
    Columns::default()
        .bigint("id", people.iter().map(|person| person.id))
        .text("tenant_id", people.iter().map(|person| person.tenant))
        .text("name", people.iter().map(|person| person.name.as_str()))
        .nullable_text("email", people.iter().map(|person| person.email.as_deref()))
        .text("ssn", people.iter().map(|person| person.ssn.as_str()))
        .nullable_text("phone", people.iter().map(|person| person.phone.as_deref()))
        .date("birth_date", people.iter().map(|person| person.born))
        .money("salary", people.iter().map(|person| person.salary))
        .text("region", people.iter().map(|person| person.region))
        .text("department", people.iter().map(|person| person.department))
        .text("country", people.iter().map(|person| person.country))
        .nullable_text("notes", people.iter().map(|person| person.notes.as_deref()))
        .timestamp("created_at", people.iter().map(|person| person.created))
}

/// Three months of pay for everybody.
fn payroll(people: &[Person]) -> Columns {
    let mut random = Random::new(7);
    // The first days of October, November and December 2025.
    let rows: Vec<(&Person, i64, i64)> = [TODAY - 92, TODAY - 61, TODAY - 31]
        .into_iter()
        .flat_map(|month| people.iter().map(move |person| (person, month)))
        .map(|(person, month)| (person, month, if random.once_in(4) { random.between(100, 9_000) * 100 } else { 0 }))
        .collect();
    let ibans: Vec<String> = rows.iter().map(|(person, ..)| iban(person.id)).collect();
    Columns::default()
        .bigint("person_id", rows.iter().map(|(person, ..)| person.id))
        .date("pay_month", rows.iter().map(|(_, month, _)| *month))
        .text("department", rows.iter().map(|(person, ..)| person.department))
        .money("base_pay", rows.iter().map(|(person, ..)| person.salary / 12))
        .money("bonus", rows.iter().map(|(.., bonus)| *bonus))
        .text("iban", ibans.iter().map(String::as_str))
}

/// A German account number with right check digits (ISO 13616), at a bank code that no bank has.
fn iban(person: i64) -> String {
    let account = format!("00000000{:010}", person * 7_919);
    // The letters D and E count as 13 and 14, the check digits as 00.
    let rest = format!("{account}131400").bytes().fold(0_u32, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97);
    format!("DE{:02}{account}", 98 - rest)
}

fn investigations(people: &[Person]) -> Columns {
    const SUBJECTS: [&str; 6] = [
        "expense claims above the allowance",
        "complaint about conduct in a meeting",
        "access outside working hours",
        "undisclosed second employment",
        "data sent to a private mailbox",
        "conflict of interest with a supplier",
    ];
    let mut random = Random::new(40);
    let rows: Vec<(i64, &Person, i64, bool, &str)> = (1..=60)
        .filter_map(|id| {
            let at = usize::try_from(random.between(0, PEOPLE - 1)).ok()?;
            let opened = TODAY - random.between(3, 700);
            Some((id, people.get(at)?, opened, random.once_in(3), random.one_of(&SUBJECTS)))
        })
        .collect();
    let findings: Vec<Option<String>> = rows
        .iter()
        .map(|(_, person, _, is_open, _)| {
            (!is_open).then(|| format!("{} was heard; a note is in the personal file", person.name))
        })
        .collect();
    Columns::default()
        .bigint("id", rows.iter().map(|row| row.0))
        .bigint("person_id", rows.iter().map(|row| row.1.id))
        .date("opened_on", rows.iter().map(|row| row.2))
        .text("status", rows.iter().map(|row| if row.3 { "open" } else { "closed" }))
        .text("subject", rows.iter().map(|row| row.4))
        .nullable_text("findings", findings.iter().map(Option::as_deref))
}

/// Groups of at least five people, so that nobody can be told from them.
fn summary(people: &[Person]) -> Columns {
    let mut groups: BTreeMap<(&str, &str, &str), (i64, i64)> = BTreeMap::new();
    for person in people {
        let band = match (TODAY - person.born) / 365 {
            ..30 => "under 30",
            30..40 => "30-39",
            40..50 => "40-49",
            50..60 => "50-59",
            60.. => "60 and over",
        };
        let group = groups.entry((person.region, person.department, band)).or_default();
        *group = (group.0 + 1, group.1 + person.salary);
    }
    groups.retain(|_, (headcount, _)| *headcount >= 5);
    Columns::default()
        .text("region", groups.keys().map(|group| group.0))
        .text("department", groups.keys().map(|group| group.1))
        .text("age_band", groups.keys().map(|group| group.2))
        .bigint("headcount", groups.values().map(|group| group.0))
        .money("avg_salary", groups.values().map(|(headcount, total)| total / headcount))
}

struct Ticket {
    id: i64,
    tenant: &'static str,
    person: i64,
    subject: &'static str,
    body: Option<String>,
    status: &'static str,
    priority: i64,
    opened: i64,
}

fn tickets(people: &[Person]) -> Vec<Ticket> {
    const SUBJECTS: [&str; 7] = [
        "can't log in",
        "invoice is wrong",
        "laptop is slow",
        "new badge, please",
        "VPN drops",
        "Zugriff auf Bericht fehlt",
        "パスワードを忘れました",
    ];
    let mut random = Random::new(5);
    (1..=3_000)
        .filter_map(|id| {
            let person = people.get(usize::try_from(random.between(0, PEOPLE - 1)).ok()?)?;
            let body = match (random.between(1, 6), &person.email, &person.phone) {
                (1, ..) => None,
                (2, Some(email), _) => Some(format!("Please answer to {email}. Thanks, {}", person.name)),
                (3, _, Some(phone)) => Some(format!("Call me back on {phone} before noon.")),
                (4, ..) => Some(format!("My number is {}; it's not accepted.", person.ssn)),
                _ => Some("It happens every morning.\nRestarting doesn't help.".to_owned()),
            };
            Some(Ticket {
                id,
                tenant: person.tenant,
                person: person.id,
                subject: random.one_of(&SUBJECTS),
                body,
                status: random.one_of(&["open", "pending", "closed", "closed"]),
                priority: random.between(1, 4),
                opened: (TODAY - random.between(0, 365)) * MICROS_A_DAY + random.between(0, MICROS_A_DAY - 1),
            })
        })
        .collect()
}

fn ticket_columns(tickets: &[Ticket]) -> Columns {
    Columns::default()
        .bigint("id", tickets.iter().map(|ticket| ticket.id))
        .text("tenant_id", tickets.iter().map(|ticket| ticket.tenant))
        .bigint("person_id", tickets.iter().map(|ticket| ticket.person))
        .text("subject", tickets.iter().map(|ticket| ticket.subject))
        .nullable_text("body", tickets.iter().map(|ticket| ticket.body.as_deref()))
        .text("status", tickets.iter().map(|ticket| ticket.status))
        .integer("priority", tickets.iter().map(|ticket| ticket.priority))
        .timestamp("opened_at", tickets.iter().map(|ticket| ticket.opened))
}

fn regions() -> String {
    let mut csv = "id,code,name,manager_email\n".to_owned();
    for (id, region) in (1..).zip(&REGIONS) {
        let _ = writeln!(csv, "{id},{},{},{}.lead@example.com", region.code, region.name, region.code.to_lowercase());
    }
    csv
}

/// One JSON object a line. Amounts always have a fraction, so that a reader takes the column for a number with one.
fn events(people: &[Person]) -> String {
    let mut random = Random::new(11);
    let mut lines = String::new();
    for id in 1..=5_000_i64 {
        let Some(person) = usize::try_from(random.between(0, PEOPLE - 1)).ok().and_then(|at| people.get(at)) else {
            continue;
        };
        // The first line shows every column with a value.
        let kind =
            if id == 1 { "purchase" } else { random.one_of(&["login", "login", "purchase", "refund", "support"]) };
        let cents = random.between(100, 99_999);
        let amount = match kind {
            "purchase" => format!("{}.{:02}", cents / 100, cents % 100),
            "refund" => format!("-{}.{:02}", cents / 100, cents % 100),
            _ => "null".to_owned(),
        };
        let (day, second) = (TODAY - 1 - random.between(0, 180), random.between(0, 86_399));
        let at =
            chrono::DateTime::from_timestamp(day * 86_400 + second, 0).unwrap_or_default().format("%Y-%m-%dT%H:%M:%S");
        let _ = writeln!(
            lines,
            r#"{{"id":{id},"person_id":{},"tenant_id":"{}","kind":"{kind}","at":"{at}","amount":{amount}}}"#,
            person.id, person.tenant
        );
    }
    lines
}

fn text(path: &Path, content: &str) -> Result<(), DemoDataError> {
    fs::write(path, content).map_err(|error| DemoDataError::write(path, error))
}

fn table(path: &Path, columns: Columns) -> Result<(), DemoDataError> {
    let batch = columns.batch().map_err(|error| DemoDataError::write(path, error))?;
    parquet(path, batch.schema(), std::iter::once(Ok(batch)), 500)
}

/// Columns of a table on their way into a record batch.
#[derive(Default)]
struct Columns(Vec<(Field, Result<ArrayRef, ArrowError>)>);

impl Columns {
    fn with(mut self, name: &str, data_type: DataType, is_nullable: bool, array: Result<ArrayRef, ArrowError>) -> Self {
        self.0.push((Field::new(name, data_type, is_nullable), array));
        self
    }

    fn bigint(self, name: &str, values: impl Iterator<Item = i64>) -> Self {
        self.with(name, DataType::Int64, false, Ok(Arc::new(Int64Array::from_iter_values(values))))
    }

    fn integer(self, name: &str, values: impl Iterator<Item = i64>) -> Self {
        let values = values.map(|value| i32::try_from(value).unwrap_or(i32::MAX));
        self.with(name, DataType::Int32, false, Ok(Arc::new(Int32Array::from_iter_values(values))))
    }

    fn text<'a>(self, name: &str, values: impl Iterator<Item = &'a str>) -> Self {
        self.with(name, DataType::Utf8, false, Ok(Arc::new(StringArray::from_iter_values(values))))
    }

    fn nullable_text<'a>(self, name: &str, values: impl Iterator<Item = Option<&'a str>>) -> Self {
        self.with(name, DataType::Utf8, true, Ok(Arc::new(values.collect::<StringArray>())))
    }

    /// Days since 1970.
    fn date(self, name: &str, values: impl Iterator<Item = i64>) -> Self {
        let values = values.map(|days| i32::try_from(days).unwrap_or(0));
        self.with(name, DataType::Date32, false, Ok(Arc::new(Date32Array::from_iter_values(values))))
    }

    /// Microseconds since 1970.
    fn timestamp(self, name: &str, values: impl Iterator<Item = i64>) -> Self {
        let array = TimestampMicrosecondArray::from_iter_values(values);
        let data_type = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None);
        self.with(name, data_type, false, Ok(Arc::new(array)))
    }

    /// Cents, as numeric(10,2).
    fn money(self, name: &str, values: impl Iterator<Item = i64>) -> Self {
        let array = Decimal128Array::from_iter_values(values.map(i128::from)).with_precision_and_scale(10, 2);
        self.with(name, DataType::Decimal128(10, 2), false, array.map(|array| Arc::new(array) as ArrayRef))
    }

    fn batch(self) -> Result<RecordBatch, ArrowError> {
        let (fields, arrays): (Vec<Field>, Vec<_>) = self.0.into_iter().unzip();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays.into_iter().collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    #[test]
    fn everybody_is_made_up_and_every_group_is_there() {
        let people = people();
        let mut groups: HashMap<(&str, &str), usize> = HashMap::new();
        let mut tenants = HashSet::new();
        for person in &people {
            *groups.entry((person.region, person.department)).or_default() += 1;
            tenants.insert((person.tenant, person.region));
            assert!(person.ssn.starts_with('9') && person.ssn.len() == 11);
            assert!(
                person
                    .email
                    .as_deref()
                    .is_none_or(|email| email == "n/a" || email.ends_with(".example.com") && email.is_ascii())
            );
            assert!(person.salary > 0 && person.salary < 100_000_000);
        }
        assert_eq!(groups.len(), 15);
        assert!(groups.values().all(|count| *count >= 100));
        assert_eq!(tenants.len(), 9);
        assert!(people.iter().any(|person| person.email.as_deref() == Some("n/a")));
        for seen in
            [&people.iter().filter(|p| p.email.is_none()).count(), &people.iter().filter(|p| p.phone.is_none()).count()]
        {
            assert!((20..300).contains(seen), "{seen}");
        }
        for name in ["O'Brien", "Zoë", "山田"] {
            assert!(people.iter().any(|person| person.name.contains(name)), "{name}");
        }
    }

    #[test]
    fn account_numbers_have_right_check_digits() {
        for id in [1, 77, 2_400] {
            let iban = iban(id);
            assert_eq!(iban.len(), 22);
            let (check, account) = (iban.get(2..4).unwrap(), iban.get(4..).unwrap());
            let moved = format!("{account}1314{check}");
            assert_eq!(moved.parse::<u128>().unwrap() % 97, 1, "{iban}");
        }
    }

    #[test]
    fn the_first_event_shows_what_type_each_column_has() {
        let events = events(&people());
        let first: serde_json::Value = serde_json::from_str(events.lines().next().unwrap()).unwrap();
        assert!(first["amount"].is_f64(), "{first}");
        let lines: Vec<serde_json::Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 5_000);
        assert!(
            lines
                .iter()
                .all(|event| event["amount"].is_null() == matches!(event["kind"].as_str(), Some("login" | "support")))
        );
    }

    #[test]
    fn no_group_of_the_summary_is_smaller_than_five() {
        let batch = summary(&people()).batch().unwrap();
        let headcount = batch.column_by_name("headcount").unwrap();
        let headcount = headcount.as_any().downcast_ref::<Int64Array>().unwrap();
        assert!(headcount.len() > 50 && headcount.values().iter().all(|count| *count >= 5));
    }
}
