//! Reads a mask as catalogs and policies write it: `{name: last, n: 4}`, `{expression: "left(notes, 3)"}`.
//!
//! Every argument is checked here once; an argument that a mask does not have is an error, so that a slip of the pen
//! never becomes a weaker mask.

use super::mask::{ConstantValue, Mask, MaskError};
use crate::types::nearest;
use serde_json::{Map, Value};

/// The most characters that `last` and `partial` may leave to be seen.
const MOST_CHARACTERS: u64 = 10_000;
/// The longest `pad`, in characters.
const LONGEST_PAD: usize = 64;
/// What errors call a specification that names no mask yet.
const SPECIFICATION: &str = "specification";

impl Mask {
    /// Reads one mask specification. A YAML `null` as the name is the mask `null`.
    ///
    /// # Errors
    /// [`MaskError::Unknown`] for a name that no mask has, [`MaskError::Argument`] for everything else.
    pub fn from_json(spec: &Value) -> Result<Self, MaskError> {
        let Value::Object(fields) = spec else {
            return Err(argument(
                SPECIFICATION,
                format!("must be an object such as {{name: redact}}, not {}", kind(spec)),
            ));
        };
        let name = match (fields.get("name"), fields.contains_key("expression")) {
            (None, true) => "expression",
            (None, false) => return Err(argument(SPECIFICATION, "needs a name, or an expression".into())),
            (Some(Value::String(name)), _) => name.as_str(),
            (Some(Value::Null), _) => "null",
            (Some(other), _) => return Err(argument(SPECIFICATION, format!("name must be text, not {}", kind(other)))),
        };
        let arguments = |mask, allowed| Arguments::of(mask, fields, allowed);
        let plain = |mask: Self| arguments(mask.name(), &[]).map(|_| mask);
        match name {
            "deny" => plain(Self::Deny),
            "null" => plain(Self::Null),
            "redact" => plain(Self::Redact),
            "hash" => plain(Self::Hash),
            "email" => plain(Self::Email),
            "year" => plain(Self::Year),
            "month" => plain(Self::Month),
            "day" => plain(Self::Day),
            "constant" => arguments("constant", &["value"])?.constant().map(Self::Constant),
            "last" => {
                let n = arguments("last", &["n"])?.characters("n")?;
                if n == 0 {
                    return Err(argument("last", "n must be 1 or more; to show nothing use the mask redact".into()));
                }
                Ok(Self::Last { n })
            }
            "partial" => {
                let given = arguments("partial", &["prefix", "suffix", "pad"])?;
                Ok(Self::Partial {
                    prefix: given.characters("prefix")?,
                    suffix: given.characters("suffix")?,
                    pad: given.pad()?,
                })
            }
            "bucket" => Ok(Self::Bucket { edges: arguments("bucket", &["edges"])?.edges()? }),
            "round" => {
                let step = arguments("round", &["step"])?.number("step")?;
                if step <= 0.0 {
                    return Err(argument("round", format!("step must be more than zero, not {step}")));
                }
                Ok(Self::Round { step })
            }
            "topcode" => Ok(Self::TopCode { max: arguments("topcode", &["max"])?.number("max")? }),
            "expression" => arguments("expression", &["expression"])?.expression().map(Self::Expression),
            unknown => Err(MaskError::Unknown { name: unknown.to_owned(), suggestion: nearest(unknown, Self::NAMES) }),
        }
    }
}

/// The arguments of one mask, none of them unknown.
struct Arguments<'a> {
    mask: &'static str,
    fields: &'a Map<String, Value>,
}

impl<'a> Arguments<'a> {
    fn of(mask: &'static str, fields: &'a Map<String, Value>, allowed: &[&'static str]) -> Result<Self, MaskError> {
        match fields.keys().find(|key| *key != "name" && !allowed.contains(&key.as_str())) {
            None => Ok(Self { mask, fields }),
            Some(unknown) => {
                let help = match (nearest(unknown, allowed.iter().copied()), allowed) {
                    (Some(near), _) => format!("; did you mean {near:?}?"),
                    (None, []) => "; it has none".to_owned(),
                    (None, some) => format!("; it has {}", some.join(", ")),
                };
                Err(argument(mask, format!("there is no argument {unknown:?}{help}")))
            }
        }
    }

    fn required(&self, name: &str) -> Result<&'a Value, MaskError> {
        self.fields.get(name).ok_or_else(|| argument(self.mask, format!("needs the argument {name}")))
    }

    fn characters(&self, name: &str) -> Result<u32, MaskError> {
        let value = self.required(name)?;
        value.as_u64().filter(|count| *count <= MOST_CHARACTERS).and_then(|count| u32::try_from(count).ok()).ok_or_else(
            || {
                argument(
                    self.mask,
                    format!("{name} must be a whole number from 0 to {MOST_CHARACTERS}, not {}", kind(value)),
                )
            },
        )
    }

    fn number(&self, name: &str) -> Result<f64, MaskError> {
        finite(self.mask, name, self.required(name)?)
    }

    fn edges(&self) -> Result<Vec<f64>, MaskError> {
        let value = self.required("edges")?;
        let Value::Array(items) = value else {
            return Err(argument(self.mask, format!("edges must be a list of numbers, not {}", kind(value))));
        };
        let edges = items.iter().map(|item| finite(self.mask, "each edge", item)).collect::<Result<Vec<f64>, _>>()?;
        if edges.is_empty() {
            return Err(argument(self.mask, "edges must hold at least one number".into()));
        }
        let ascending = edges.iter().zip(edges.iter().skip(1)).all(|(lower, upper)| lower < upper);
        if ascending { Ok(edges) } else { Err(argument(self.mask, "edges must ascend, each once".into())) }
    }

    fn pad(&self) -> Result<String, MaskError> {
        match self.fields.get("pad") {
            None => Ok("***".to_owned()),
            Some(Value::String(pad)) if pad.chars().count() <= LONGEST_PAD && !pad.contains('\0') => Ok(pad.clone()),
            Some(Value::String(_)) => Err(argument(
                self.mask,
                format!("pad must be no longer than {LONGEST_PAD} characters, none of them zero"),
            )),
            Some(other) => Err(argument(self.mask, format!("pad must be text, not {}", kind(other)))),
        }
    }

    fn constant(&self) -> Result<ConstantValue, MaskError> {
        match self.required("value")? {
            Value::Bool(value) => Ok(ConstantValue::Boolean(*value)),
            Value::Number(number) => Ok(ConstantValue::Number(number.to_string())),
            Value::String(text) if text.contains('\0') => {
                Err(argument(self.mask, "value must not hold the zero character".into()))
            }
            Value::String(text) => Ok(ConstantValue::Text(text.clone())),
            Value::Null => Err(argument(self.mask, "value must not be null; use the mask null".into())),
            other => {
                Err(argument(self.mask, format!("value must be a truth value, number or text, not {}", kind(other))))
            }
        }
    }

    fn expression(&self) -> Result<String, MaskError> {
        match self.required("expression")? {
            Value::String(sql) if sql.trim().is_empty() => Err(argument(self.mask, "must not be empty".into())),
            Value::String(sql) if sql.contains('\0') => {
                Err(argument(self.mask, "must not hold the zero character".into()))
            }
            Value::String(sql) => Ok(sql.trim().to_owned()),
            other => Err(argument(self.mask, format!("must be SQL text, not {}", kind(other)))),
        }
    }
}

fn finite(mask: &'static str, name: &str, value: &Value) -> Result<f64, MaskError> {
    value
        .as_f64()
        .filter(|number| number.is_finite())
        .ok_or_else(|| argument(mask, format!("{name} must be a number, not {}", kind(value))))
}

fn argument(mask: &'static str, problem: String) -> MaskError {
    MaskError::Argument { mask, problem }
}

/// What a value is, as people say it. Values themselves stay out of messages, except numbers.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(_) => "text".into(),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_mask_of_the_contract_is_read() {
        let cases = [
            (json!({"name": "deny"}), Mask::Deny),
            (json!({"name": "null"}), Mask::Null),
            (json!({"name": null}), Mask::Null),
            (json!({"name": "redact"}), Mask::Redact),
            (json!({"name": "hash"}), Mask::Hash),
            (json!({"name": "email"}), Mask::Email),
            (json!({"name": "year"}), Mask::Year),
            (json!({"name": "month"}), Mask::Month),
            (json!({"name": "day"}), Mask::Day),
            (json!({"name": "constant", "value": 0}), Mask::Constant(ConstantValue::Number("0".into()))),
            (json!({"name": "constant", "value": 12.5}), Mask::Constant(ConstantValue::Number("12.5".into()))),
            (json!({"name": "constant", "value": "x"}), Mask::Constant(ConstantValue::Text("x".into()))),
            (json!({"name": "constant", "value": false}), Mask::Constant(ConstantValue::Boolean(false))),
            (json!({"name": "last", "n": 4}), Mask::Last { n: 4 }),
            (
                json!({"name": "partial", "prefix": 1, "suffix": 2}),
                Mask::Partial { prefix: 1, suffix: 2, pad: "***".into() },
            ),
            (
                json!({"name": "partial", "prefix": 0, "suffix": 2, "pad": "…"}),
                Mask::Partial { prefix: 0, suffix: 2, pad: "…".into() },
            ),
            (json!({"name": "round", "step": 10}), Mask::Round { step: 10.0 }),
            (json!({"name": "bucket", "edges": [0, 10, 20.5]}), Mask::Bucket { edges: vec![0.0, 10.0, 20.5] }),
            (json!({"name": "topcode", "max": 100}), Mask::TopCode { max: 100.0 }),
            (json!({"expression": "left(notes, 3)"}), Mask::Expression("left(notes, 3)".into())),
            (json!({"name": "expression", "expression": " upper(x) "}), Mask::Expression("upper(x)".into())),
        ];
        for (spec, mask) in cases {
            assert_eq!(Mask::from_json(&spec), Ok(mask), "{spec}");
        }
    }

    #[test]
    fn a_mask_that_is_not_understood_is_an_error() {
        let cases = [
            (json!("email"), "mask specification: must be an object such as {name: redact}, not text"),
            (json!({}), "mask specification: needs a name, or an expression"),
            (json!({"name": 3}), "mask specification: name must be text, not 3"),
            (json!({"name": "emial"}), "there is no mask \"emial\""),
            (json!({"name": "email", "n": 3}), "mask email: there is no argument \"n\"; it has none"),
            (
                json!({"name": "email", "expression": "x"}),
                "mask email: there is no argument \"expression\"; it has none",
            ),
            (json!({"name": "last"}), "mask last: needs the argument n"),
            (json!({"name": "last", "n": -1}), "mask last: n must be a whole number from 0 to 10000, not -1"),
            (json!({"name": "last", "n": 1.5}), "mask last: n must be a whole number from 0 to 10000, not 1.5"),
            (json!({"name": "last", "n": "4"}), "mask last: n must be a whole number from 0 to 10000, not text"),
            (json!({"name": "last", "n": 0}), "mask last: n must be 1 or more; to show nothing use the mask redact"),
            (json!({"name": "partial", "prefix": 1}), "mask partial: needs the argument suffix"),
            (
                json!({"name": "partial", "prefx": 1, "suffix": 1}),
                "mask partial: there is no argument \"prefx\"; did you mean \"prefix\"?",
            ),
            (json!({"name": "partial", "prefix": 1, "suffix": 1, "pad": 3}), "mask partial: pad must be text, not 3"),
            (json!({"name": "constant"}), "mask constant: needs the argument value"),
            (json!({"name": "constant", "value": null}), "mask constant: value must not be null; use the mask null"),
            (
                json!({"name": "constant", "value": [1]}),
                "mask constant: value must be a truth value, number or text, not a list",
            ),
            (json!({"name": "round", "step": 0}), "mask round: step must be more than zero, not 0"),
            (json!({"name": "round", "step": "a"}), "mask round: step must be a number, not text"),
            (json!({"name": "bucket", "edges": []}), "mask bucket: edges must hold at least one number"),
            (json!({"name": "bucket", "edges": [2, 1]}), "mask bucket: edges must ascend, each once"),
            (json!({"name": "bucket", "edges": [1, 1]}), "mask bucket: edges must ascend, each once"),
            (json!({"name": "bucket", "edges": 5}), "mask bucket: edges must be a list of numbers, not 5"),
            (json!({"name": "topcode"}), "mask topcode: needs the argument max"),
            (json!({"expression": "  "}), "mask expression: must not be empty"),
            (json!({"expression": 3}), "mask expression: must be SQL text, not 3"),
        ];
        for (spec, message) in cases {
            let error = Mask::from_json(&spec).expect_err(&spec.to_string());
            assert_eq!(error.to_string(), message, "{spec}");
        }
        let unknown = Mask::from_json(&json!({"name": "emial"}));
        assert!(matches!(unknown, Err(MaskError::Unknown { suggestion: Some("email"), .. })));
    }
}
