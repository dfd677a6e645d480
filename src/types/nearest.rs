//! "Did you mean": the allowed word that is nearest to what was written.

/// The candidate nearest to `word`, if one is near enough to be what was meant: a third of its letters may differ,
/// counting a swap of neighbours as one, and case as nothing.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 128;
    let word: Vec<char> = word.to_lowercase().chars().take(LONGEST).collect();
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let letters: Vec<char> = candidate.to_lowercase().chars().take(LONGEST).collect();
            let allowed = (word.len().max(letters.len()) / 3).max(1);
            let distance = distance(&word, &letters);
            (distance <= allowed && distance < letters.len().max(1)).then_some((distance, candidate))
        })
        .min_by(|(a, first), (b, second)| a.cmp(b).then_with(|| first.cmp(second)))
        .map(|(_, candidate)| candidate)
}

/// Edits between two words: insertions, deletions, replacements and swaps of neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut last_a = None;
    for (row, &letter_a) in a.iter().enumerate() {
        let mut line = vec![row.saturating_add(1)];
        let mut last_b = None;
        for (column, &letter_b) in b.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(&above, column).saturating_add(usize::from(letter_a != letter_b));
            let inserted = at(&line, column).saturating_add(1);
            let deleted = at(&above, column.saturating_add(1)).saturating_add(1);
            let swapped = match (column.checked_sub(1), last_a, last_b) {
                (Some(left), Some(previous_a), Some(previous_b))
                    if previous_a == letter_b && previous_b == letter_a =>
                {
                    at(&before, left).saturating_add(1)
                }
                _ => usize::MAX,
            };
            line.push(replaced.min(inserted).min(deleted).min(swapped));
            last_b = Some(letter_b);
        }
        before = std::mem::replace(&mut above, line);
        last_a = Some(letter_a);
    }
    above.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let words = ["location", "relation", "classification", "tier"];
        assert_eq!(nearest("locaton", words), Some("location"));
        assert_eq!(nearest("teir", words), Some("tier"));
        assert_eq!(nearest("Location", words), Some("location"));
        assert_eq!(nearest("zebra", words), None);
        assert_eq!(nearest("", ["a"]), None);
    }

    #[test]
    fn a_swap_counts_once() {
        let letters = |word: &str| word.chars().collect::<Vec<_>>();
        assert_eq!(distance(&letters("abcd"), &letters("abdc")), 1);
        assert_eq!(distance(&letters("kitten"), &letters("sitting")), 3);
        assert_eq!(distance(&letters(""), &letters("abc")), 3);
    }
}
