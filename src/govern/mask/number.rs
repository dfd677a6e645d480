//! `round`, `bucket`, `topcode`: exact on whole numbers and decimals, IEEE 754 on floating-point numbers.
//!
//! A policy's number is taken as the decimal that it is written as (0.1 is one tenth), and is never turned into a double on
//! the way to a decimal. On a column of type `real` or `double precision` it is the nearest number of that type.
//!
//! Decimals come as PostgreSQL and Arrow hold them: a whole number of `10^-scale`. A bigint is one of scale 0.

/// A policy's number as the decimal that it is written as: `digits * 10^-scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    /// At most 17 digits: a double has no more.
    digits: u128,
    scale: i32,
}

impl Decimal {
    fn new(number: f64) -> Option<Self> {
        if !number.is_finite() {
            return None;
        }
        // The shortest digits that mean this double: `5e-1`.
        let text = format!("{:e}", number.abs());
        let (mantissa, exponent) = text.split_once('e')?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
        let exponent: i32 = exponent.parse().ok()?;
        let scale = i32::try_from(fraction.len()).ok()? - exponent;
        Some(Self { is_negative: number.is_sign_negative() && digits > 0, digits, scale })
    }

    /// In units of `10^-scale`, rounded toward minus infinity, or toward plus infinity. What is beyond 128 bits comes out
    /// as the smallest or the largest number that they hold.
    fn at_scale(self, scale: i32, upward: bool) -> i128 {
        let shift = scale - self.scale;
        let beyond = if self.is_negative { i128::MIN } else { i128::MAX };
        let power = u32::try_from(shift.abs()).ok().and_then(|exponent| 10_u128.checked_pow(exponent));
        let (magnitude, is_inexact) = match power {
            Some(power) if shift >= 0 => match self.digits.checked_mul(power) {
                Some(magnitude) => (magnitude, false),
                None => return beyond,
            },
            Some(power) => (self.digits / power, !self.digits.is_multiple_of(power)),
            None if self.digits == 0 => (0, false),
            None if shift > 0 => return beyond,
            None => (0, true),
        };
        let Ok(magnitude) = i128::try_from(magnitude) else { return beyond };
        match (self.is_negative, is_inexact && upward != self.is_negative) {
            (false, away) => magnitude.saturating_add(i128::from(away)),
            (true, away) => (-magnitude).saturating_sub(i128::from(away)),
        }
    }
}

/// `round(step)`: the nearest multiple of a step, ties away from zero.
///
/// On decimals this is what PostgreSQL's `round(x / step) * step` gives, cast to the column's type, with the division
/// carried out exactly. A multiple that the type can't hold is NULL.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    exact: Option<Decimal>,
    double: f64,
}

impl Step {
    /// A step above zero. With any other everything is NULL.
    pub fn new(step: f64) -> Self {
        Self { exact: Decimal::new(step).filter(|_| step > 0.0), double: step }
    }

    /// Of a decimal with a scale, in the same scale; the multiple is rounded to the scale if it has more places.
    pub fn round(&self, value: i128, scale: i8) -> Option<i128> {
        let step = self.exact?;
        let (magnitude, scale) = (value.unsigned_abs(), i32::from(scale));
        let rounded = if scale >= step.scale {
            // In units of the value's scale both are whole; a step that 128 bits can't hold is more than twice any value.
            let step = u32::try_from(scale - step.scale)
                .ok()
                .and_then(|shift| 10_u128.checked_pow(shift))
                .and_then(|power| step.digits.checked_mul(power));
            match step {
                None => 0,
                Some(step) => {
                    let rest = magnitude % step;
                    let down = magnitude - rest;
                    if rest >= step - rest { down.checked_add(step)? } else { down }
                }
            }
        } else {
            // The step has more places than the value: multiples are taken in the step's scale, then rounded to the value's.
            let shift = u32::try_from(step.scale - scale).ok()?;
            let rest = (magnitude % step.digits) * power_modulo(shift, step.digits) % step.digits;
            let change = if rest >= step.digits - rest {
                i128::try_from(step.digits - rest).ok()?
            } else {
                -i128::try_from(rest).ok()?
            };
            // The change has at most 17 digits, so one unit of the value's scale is more than twice it if this overflows.
            let change =
                match 10_i128.checked_pow(shift).and_then(|unit| unit.checked_mul(2).map(|twice| (unit, twice))) {
                    Some((unit, twice)) => (2 * change + unit).div_euclid(twice),
                    None => 0,
                };
            magnitude.checked_add_signed(change)?
        };
        let rounded = i128::try_from(rounded).ok()?;
        Some(if value < 0 { -rounded } else { rounded })
    }

    /// Of a double: `x / step`, rounded with ties away from zero, times `step`, each as IEEE 754 rounds it. Never minus
    /// zero, which would tell that the value was below zero. NaN and infinities stay; where the quotient is beyond a
    /// double the step is far below the value's own precision, and the value stays.
    pub fn round_double(&self, value: f64) -> Option<f64> {
        self.exact?;
        if !value.is_finite() {
            return Some(value);
        }
        let quotient = value / self.double;
        if !quotient.is_finite() {
            return Some(value);
        }
        let multiple = quotient.round() * self.double + 0.0;
        multiple.is_finite().then_some(multiple)
    }

    /// Of a real: as of a double, then rounded to the nearest real.
    pub fn round_real(&self, value: f32) -> Option<f32> {
        let multiple = narrowed(self.round_double(f64::from(value))?);
        (multiple.is_finite() || !value.is_finite()).then_some(multiple)
    }
}

/// `10^exponent` modulo something of at most 17 digits.
fn power_modulo(exponent: u32, modulus: u128) -> u128 {
    (0..exponent).fold(1 % modulus, |power, _| power * 10 % modulus)
}

/// The nearest real, infinite if it is beyond.
fn narrowed(value: f64) -> f32 {
    value as f32
}

/// `topcode(max)`: no more than `max`. NaN counts as more than any number, as it does in PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TopCode {
    exact: Option<Decimal>,
    double: f64,
}

impl TopCode {
    /// The largest value that shows. With one that is no finite number everything is NULL.
    pub fn new(max: f64) -> Self {
        Self { exact: Decimal::new(max), double: max }
    }

    /// The largest decimal of a scale that is no more than the maximum.
    pub fn at_scale(&self, scale: i8) -> Option<i128> {
        Some(self.exact?.at_scale(i32::from(scale), false))
    }

    /// Of a double.
    pub fn cap_double(&self, value: f64) -> Option<f64> {
        self.exact?;
        Some(if value <= self.double { value } else { self.double })
    }

    /// Of a real, against the real nearest to the maximum.
    pub fn cap_real(&self, value: f32) -> Option<f32> {
        self.exact?;
        let max = narrowed(self.double);
        Some(if value <= max { value } else { max })
    }
}

/// `bucket(edges)`: the lower edge of the bucket that a number falls in. Below the first edge it is NULL; the last bucket
/// has no end. NaN falls in the last, as it does with PostgreSQL's `width_bucket`.
#[derive(Debug, Clone, PartialEq)]
pub struct Buckets {
    edges: Vec<f64>,
    exact: Option<Vec<Decimal>>,
}

impl Buckets {
    /// Ascending edges. With an edge that is no finite number, or edges that do not ascend, everything is NULL.
    pub fn new(edges: &[f64]) -> Self {
        let ascend = edges.is_sorted_by(|a, b| a < b);
        let exact = edges.iter().map(|edge| Decimal::new(*edge)).collect::<Option<Vec<_>>>().filter(|_| ascend);
        Self { edges: edges.to_vec(), exact }
    }

    /// The edges in units of `10^-scale`: for each the smallest decimal of that scale in its bucket. An edge between two
    /// decimals is the upper one, which is in the bucket where the lower one is not.
    pub fn at_scale(&self, scale: i8) -> Vec<i128> {
        self.exact.iter().flatten().map(|edge| edge.at_scale(i32::from(scale), true)).collect()
    }

    /// Of a double.
    pub fn floor_double(&self, value: f64) -> Option<f64> {
        self.exact.as_ref()?;
        self.edges.iter().rev().find(|edge| value.is_nan() || value >= **edge).map(|edge| edge + 0.0)
    }

    /// Of a real, against the reals nearest to the edges.
    pub fn floor_real(&self, value: f32) -> Option<f32> {
        self.exact.as_ref()?;
        let edges = self.edges.iter().rev().map(|edge| narrowed(*edge));
        edges.into_iter().find(|edge| value.is_nan() || value >= *edge).map(|edge| edge + 0.0)
    }
}

/// The last of ascending edges that a value reaches; `None` if it is below the first.
pub fn floor_of(edges: &[i128], value: i128) -> Option<i128> {
    edges.iter().rev().find(|edge| value >= **edge).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_round_half_away_from_zero() {
        for (value, step, rounded) in [
            (0, 10.0, 0),
            (4, 10.0, 0),
            (5, 10.0, 10),
            (-5, 10.0, -10),
            (-4, 10.0, 0),
            (14_999, 1000.0, 15_000),
            (15_500, 1000.0, 16_000),
            (7, 2.5, 8),
            (6, 2.5, 5),
            (5, 0.5, 5),
            (5, 0.3, 5),
            (i128::from(i64::MAX), 1.0, i128::from(i64::MAX)),
            (i128::from(i64::MIN), 1000.0, -9_223_372_036_854_776_000),
            (5, 1e300, 0),
            (5, 1e-300, 5),
            (i128::MAX, 1e-300, i128::MAX),
            (i128::MAX, 1.0, i128::MAX),
        ] {
            assert_eq!(Step::new(step).round(value, 0), Some(rounded), "{value} {step}");
        }
    }

    #[test]
    fn decimals_round_exactly() {
        for (value, scale, step, rounded) in [
            (1005, 3, 0.01, 1010), // 1.005 -> 1.01, where a double says 1.00
            (-1005, 3, 0.01, -1010),
            (249, 2, 5.0, 0),   // 2.49 -> 0
            (250, 2, 5.0, 500), // 2.50 -> 5.00
            (12_345_678, 2, 1000.0, 12_300_000),
            (15, 2, 0.1, 20),
            (10, 2, 0.003, 10), // 0.10 -> 33 * 0.003 = 0.099 -> 0.10
            (100_000_000_000_000_000_000_000_000_000_000_005, 2, 0.1, 100_000_000_000_000_000_000_000_000_000_000_010),
            (5, -2, 1000.0, 10), // 500 -> 1000
            (4, -2, 1000.0, 0),
        ] {
            assert_eq!(Step::new(step).round(value, scale), Some(rounded), "{value} {scale} {step}");
        }
    }

    #[test]
    fn a_multiple_that_can_not_be_held_is_null() {
        assert_eq!(Step::new(1e38).round(i128::MAX, 0), None);
        for step in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Step::new(step).round(5, 0), None);
            assert_eq!(Step::new(step).round_double(5.0), None);
        }
        assert_eq!(Step::new(1e308).round_double(1.7e308), None);
        assert_eq!(Step::new(3e38).round_real(3.4e38), Some(3e38));
        assert_eq!(Step::new(2e38).round_real(3.1e38), None);
    }

    #[test]
    fn doubles_round_as_ieee_does_and_never_to_minus_zero() {
        let step = Step::new(0.5);
        assert_eq!(step.round_double(0.25), Some(0.5));
        assert_eq!(step.round_double(-0.25), Some(-0.5));
        assert_eq!(step.round_double(0.2), Some(0.0));
        assert!(step.round_double(-0.2).unwrap().is_sign_positive());
        assert!(step.round_double(f64::NAN).unwrap().is_nan());
        assert_eq!(step.round_double(f64::NEG_INFINITY), Some(f64::NEG_INFINITY));
        assert_eq!(Step::new(1e-10).round_double(1e308), Some(1e308));
        assert_eq!(Step::new(1.0).round_double(0.499_999_999_999_999_94), Some(0.0));
        assert_eq!(Step::new(100.0).round_real(149.5), Some(100.0));
        assert_eq!(Step::new(0.1).round_real(f32::INFINITY), Some(f32::INFINITY));
    }

    #[test]
    fn nothing_shows_above_the_maximum() {
        let top = TopCode::new(100.5);
        assert_eq!(top.at_scale(0), Some(100));
        assert_eq!(top.at_scale(1), Some(1005));
        assert_eq!(top.at_scale(-1), Some(10));
        assert_eq!(TopCode::new(-0.5).at_scale(0), Some(-1));
        assert_eq!(TopCode::new(1e300).at_scale(2), Some(i128::MAX));
        assert_eq!(TopCode::new(-1e300).at_scale(2), Some(i128::MIN));
        assert_eq!(top.cap_double(f64::NAN), Some(100.5));
        assert_eq!(top.cap_double(f64::INFINITY), Some(100.5));
        assert_eq!(top.cap_double(-3.0), Some(-3.0));
        assert_eq!(TopCode::new(0.1).cap_real(0.2), Some(0.1));
        assert_eq!(TopCode::new(f64::NAN).cap_double(1.0), None);
    }

    #[test]
    fn a_bucket_gives_its_lower_edge() {
        let ages = Buckets::new(&[0.0, 18.0, 65.0]);
        let edges = ages.at_scale(0);
        for (value, floor) in [(-1, None), (0, Some(0)), (17, Some(0)), (18, Some(18)), (64, Some(18)), (200, Some(65))]
        {
            assert_eq!(floor_of(&edges, value), floor, "{value}");
        }
        assert_eq!(ages.floor_double(17.999), Some(0.0));
        assert_eq!(ages.floor_double(f64::NAN), Some(65.0));
        assert_eq!(ages.floor_double(f64::NEG_INFINITY), None);
        assert_eq!(ages.floor_double(f64::INFINITY), Some(65.0));
        assert_eq!(ages.floor_real(18.0), Some(18.0));
        // An edge between two values is the upper one.
        let half = Buckets::new(&[-2.5, 2.5]);
        assert_eq!(half.at_scale(0), [-2, 3]);
        assert_eq!(half.at_scale(1), [-25, 25]);
        assert_eq!(Buckets::new(&[3.0, 1.0]).floor_double(5.0), None);
        assert!(Buckets::new(&[3.0, 1.0]).at_scale(0).is_empty());
    }

    #[test]
    fn a_policys_number_is_the_decimal_that_it_is_written_as() {
        assert_eq!(Decimal::new(0.1), Some(Decimal { is_negative: false, digits: 1, scale: 1 }));
        assert_eq!(Decimal::new(-2.50), Some(Decimal { is_negative: true, digits: 25, scale: 1 }));
        assert_eq!(Decimal::new(1e40), Some(Decimal { is_negative: false, digits: 1, scale: -40 }));
        assert_eq!(Decimal::new(0.0), Some(Decimal { is_negative: false, digits: 0, scale: 0 }));
        assert_eq!(Decimal::new(0.000_123).unwrap().at_scale(6, false), 123);
    }

    proptest::proptest! {
        /// Nearest, a multiple, and the same on both sides of zero.
        #[test]
        fn rounding_finds_the_nearest_multiple(value in -1_000_000_000_000_i128..1_000_000_000_000, step in 1_u32..100_000) {
            let rounded = Step::new(f64::from(step)).round(value, 0).unwrap();
            let step = i128::from(step);
            proptest::prop_assert_eq!(rounded % step, 0);
            proptest::prop_assert!(2 * (rounded - value).abs() <= step);
            proptest::prop_assert_eq!(Step::new(step as f64).round(-value, 0), Some(-rounded));
        }

        /// A step with more places than the value gives what exact fractions give.
        #[test]
        fn finer_steps_agree_with_fractions(value in -1_000_000_i128..1_000_000, step in 1_u32..100_000, places in 1_u32..5) {
            let fine = f64::from(step) / f64::from(10_u32.pow(places));
            let Some(exact) = Decimal::new(fine) else { return Ok(()) };
            let power = 10_i128.pow(u32::try_from(exact.scale.max(0)).unwrap());
            let unit = i128::try_from(exact.digits).unwrap() * 10_i128.pow(u32::try_from((-exact.scale).max(0)).unwrap());
            let scaled = value.abs() * power;
            let multiple = (2 * scaled + unit).div_euclid(2 * unit) * unit;
            let expected = (2 * multiple + power).div_euclid(2 * power) * value.signum();
            proptest::prop_assert_eq!(Step::new(fine).round(value, 0), Some(expected));
        }
    }
}
