//! Numbers: integers, the shortest exact floats, and `numeric` with its scale.

use bytes::{BufMut, BytesMut};
use std::fmt::{self, Write};

/// Writes an unsigned integer in decimal digits.
pub(super) fn unsigned(mut value: u64, out: &mut BytesMut) {
    let mut digits = [0_u8; 20];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        // The remainder is below ten.
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
        used += 1;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

/// Writes an integer in decimal digits.
pub(super) fn signed(value: i64, out: &mut BytesMut) {
    if value < 0 {
        out.put_u8(b'-');
    }
    unsigned(value.unsigned_abs(), out);
}

/// Writes an unsigned integer with zeros before it, to a width of at least so many digits.
pub(super) fn padded(value: u64, width: usize, out: &mut BytesMut) {
    let digits = value.checked_ilog10().map_or(1, |log| log as usize + 1);
    out.put_bytes(b'0', width.saturating_sub(digits));
    unsigned(value, out);
}

/// Writes a `double precision`: the shortest text that reads back as the same value, or so many digits fewer than 15.
pub(super) fn float8(value: f64, extra_digits: i32, out: &mut BytesMut) {
    if put_special(value, out) {
        return;
    }
    if extra_digits > 0 {
        layout(&scientific(format_args!("{value:e}")), 15, out);
    } else {
        significant(value, 15, extra_digits, out);
    }
}

/// Writes a `real`, likewise; its plain precision is 6.
pub(super) fn float4(value: f32, extra_digits: i32, out: &mut BytesMut) {
    if put_special(f64::from(value), out) {
        return;
    }
    if extra_digits > 0 {
        layout(&scientific(format_args!("{value:e}")), 6, out);
    } else {
        significant(f64::from(value), 6, extra_digits, out);
    }
}

fn put_special(value: f64, out: &mut BytesMut) -> bool {
    let word = if value.is_nan() {
        "NaN"
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }
    } else {
        return false;
    };
    out.extend_from_slice(word.as_bytes());
    true
}

/// C's `%.*g`, as PostgreSQL uses it when `extra_float_digits` is 0 or less.
fn significant(value: f64, plain: i32, extra_digits: i32, out: &mut BytesMut) {
    let digits = (plain + extra_digits).clamp(1, plain);
    // In 1..=15 by the clamp.
    let after_point = (digits - 1) as usize;
    let text = scientific(format_args!("{value:.after_point$e}"));
    let trimmed = match text.as_str().split_once('e') {
        Some((mantissa, exponent)) if mantissa.contains('.') => {
            scientific(format_args!("{}e{exponent}", mantissa.trim_end_matches('0').trim_end_matches('.')))
        }
        _ => text,
    };
    layout(&trimmed, digits, out);
}

/// Lays `-d.ddde±x` out as PostgreSQL does: plain for exponents in -4..threshold, else with a two-digit exponent.
fn layout(text: &Short, threshold: i32, out: &mut BytesMut) {
    let (mantissa, exponent) = text.as_str().split_once('e').unwrap_or((text.as_str(), "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let mantissa = match mantissa.strip_prefix('-') {
        Some(rest) => {
            out.put_u8(b'-');
            rest
        }
        None => mantissa,
    };
    let digits = mantissa.bytes().filter(|byte| *byte != b'.');
    let count = digits.clone().count();
    if !(-4..threshold).contains(&exponent) {
        out.extend_from_slice(mantissa.as_bytes());
        out.put_u8(b'e');
        out.put_u8(if exponent < 0 { b'-' } else { b'+' });
        padded(u64::from(exponent.unsigned_abs()), 2, out);
    } else if exponent < 0 {
        out.put_slice(b"0.");
        out.put_bytes(b'0', exponent.unsigned_abs() as usize - 1);
        out.extend(digits);
    } else {
        let whole = exponent.unsigned_abs() as usize + 1;
        for (position, digit) in digits.enumerate() {
            if position == whole {
                out.put_u8(b'.');
            }
            out.put_u8(digit);
        }
        out.put_bytes(b'0', whole.saturating_sub(count));
    }
}

fn scientific(text: fmt::Arguments<'_>) -> Short {
    let mut short = Short::default();
    // A float or a 256-bit integer always fits.
    let _ = short.write_fmt(text);
    short
}

/// A decimal number taken apart: its digits without the point, and how many of them stand after it.
pub(super) struct Decimal {
    negative: bool,
    digits: Short,
    scale: i8,
}

impl Decimal {
    /// The number `unscaled / 10^scale`, from the printed form of `unscaled`.
    pub(super) fn new(unscaled: impl fmt::Display, scale: i8) -> Self {
        let text = scientific(format_args!("{unscaled}"));
        let (negative, digits) = match text.as_str().strip_prefix('-') {
            Some(digits) => (true, scientific(format_args!("{digits}"))),
            None => (false, text),
        };
        Self { negative, digits, scale }
    }

    fn is_zero(&self) -> bool {
        self.digits.as_str() == "0"
    }

    /// Writes it with as many digits after the point as its scale says.
    pub(super) fn put_text(&self, out: &mut BytesMut) {
        if self.negative {
            out.put_u8(b'-');
        }
        let digits = self.digits.as_bytes();
        let after_point = usize::from(self.scale.max(0).unsigned_abs());
        if after_point == 0 {
            out.extend_from_slice(digits);
            if !self.is_zero() {
                out.put_bytes(b'0', usize::from(self.scale.unsigned_abs()));
            }
        } else if let Some((whole, fraction)) =
            digits.len().checked_sub(after_point).filter(|whole| *whole > 0).and_then(|at| digits.split_at_checked(at))
        {
            out.extend_from_slice(whole);
            out.put_u8(b'.');
            out.extend_from_slice(fraction);
        } else {
            out.put_slice(b"0.");
            out.put_bytes(b'0', after_point.saturating_sub(digits.len()));
            out.extend_from_slice(digits);
        }
    }

    /// Writes it as `numeric_send` does: groups of four digits, aligned at the point.
    pub(super) fn put_binary(&self, out: &mut BytesMut) {
        let after_point = usize::from(self.scale.max(0).unsigned_abs());
        let zeros_behind = usize::from(self.scale.min(0).unsigned_abs());
        let whole = (self.digits.as_bytes().len() + zeros_behind).saturating_sub(after_point);
        let zeros_between = after_point.saturating_sub(self.digits.as_bytes().len());
        let lead = (4 - whole % 4) % 4;
        let trail = (4 - after_point % 4) % 4;
        let all = std::iter::repeat_n(b'0', lead + zeros_between)
            .chain(self.digits.as_bytes().iter().copied())
            .chain(std::iter::repeat_n(b'0', zeros_behind + trail));
        let mut groups: Vec<i16> = Vec::with_capacity(24);
        for (position, digit) in all.enumerate() {
            if position % 4 == 0 {
                groups.push(0);
            }
            if let Some(last) = groups.last_mut() {
                *last = *last * 10 + i16::from(digit - b'0');
            }
        }
        // At most 78 + 128 digits: far inside an i16.
        let mut weight = (whole + lead) as i16 / 4 - 1;
        let leading = groups.iter().take_while(|group| **group == 0).count();
        let kept = groups.get(leading..).unwrap_or_default();
        let kept = kept.get(..kept.len() - kept.iter().rev().take_while(|group| **group == 0).count());
        let kept = kept.unwrap_or_default();
        weight = if kept.is_empty() { 0 } else { weight - leading as i16 };
        out.put_i16(kept.len() as i16);
        out.put_i16(weight);
        out.put_u16(if self.negative && !kept.is_empty() { 0x4000 } else { 0 });
        out.put_u16(after_point as u16);
        for group in kept {
            out.put_i16(*group);
        }
    }
}

/// A short text on the stack.
struct Short {
    bytes: [u8; 96],
    len: usize,
}

impl Default for Short {
    fn default() -> Self {
        Self { bytes: [0; 96], len: 0 }
    }
}

impl Short {
    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut BytesMut)) -> String {
        let mut out = BytesMut::new();
        write(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn floats_read_as_postgres_writes_them() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (1.5, "1.5"),
            (-2.25, "-2.25"),
            (0.1, "0.1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (100.0, "100"),
            (123_456_789_012_345.0, "123456789012345"),
            (999_999_999_999_999.0, "999999999999999"),
            (1e15, "1e+15"),
            (1.5e15, "1.5e+15"),
            (1e14, "100000000000000"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (1.234e-7, "1.234e-07"),
            (1e100, "1e+100"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, expected) in cases {
            assert_eq!(written(|out| float8(value, 1, out)), expected);
        }
        for (value, expected) in
            [(1.5_f32, "1.5"), (0.1, "0.1"), (1e6, "1e+06"), (123_456.0, "123456"), (16_777_216.0, "1.6777216e+07")]
        {
            assert_eq!(written(|out| float4(value, 1, out)), expected);
        }
    }

    #[test]
    fn fewer_float_digits_are_rounded_ones() {
        assert_eq!(written(|out| float8(0.1 + 0.2, 0, out)), "0.3");
        assert_eq!(written(|out| float8(1.0 / 3.0, 0, out)), "0.333333333333333");
        assert_eq!(written(|out| float8(1.0 / 3.0, -10, out)), "0.33333");
        assert_eq!(written(|out| float8(1e15, 0, out)), "1e+15");
        assert_eq!(written(|out| float4(1.0 / 3.0, 0, out)), "0.333333");
    }

    #[test]
    fn numerics_keep_their_scale() {
        let cases: [(i128, i8, &str); 9] = [
            (0, 2, "0.00"),
            (5, 2, "0.05"),
            (-5, 2, "-0.05"),
            (12_345, 2, "123.45"),
            (100, 2, "1.00"),
            (7, 0, "7"),
            (12, -3, "12000"),
            (0, -3, "0"),
            (i128::MIN, 38, "-1.70141183460469231731687303715884105728"),
        ];
        for (unscaled, scale, expected) in cases {
            assert_eq!(written(|out| Decimal::new(unscaled, scale).put_text(out)), expected);
        }
    }

    #[test]
    fn binary_numerics_are_groups_of_four_digits() {
        let binary = |unscaled: i128, scale| {
            let mut out = BytesMut::new();
            Decimal::new(unscaled, scale).put_binary(&mut out);
            out.to_vec()
        };
        // digits, weight, sign, scale, then the groups: what numeric_send gives
        assert_eq!(binary(0, 2), [0, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!(binary(12_345, 2), [0, 2, 0, 0, 0, 0, 0, 2, 0, 123, 0x11, 0x94]);
        assert_eq!(binary(-1, 0), [0, 1, 0, 0, 0x40, 0, 0, 0, 0, 1]);
        assert_eq!(binary(5, 5), [0, 1, 0xff, 0xfe, 0, 0, 0, 5, 0x13, 0x88]);
        assert_eq!(binary(10_000, 0), [0, 1, 0, 1, 0, 0, 0, 0, 0, 1]);
        assert_eq!(binary(1, -4), [0, 1, 0, 1, 0, 0, 0, 0, 0, 1]);
    }
}
