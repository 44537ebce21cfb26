//! Everything that people read is written in plain English: phrases that no native technical writer would use are refused, in documents,
//! help, errors, logs and comments alike.

use crate::assert_none;
use crate::tree::files;

/// A phrase that is refused, and what to write instead. Matched as whole words, in any case.
const REFUSED: [(&str, &str); 12] = [
    ("mend", "fix"),
    ("mends", "fixes"),
    ("mended", "fixed"),
    ("mending", "fixing"),
    ("whatever it is", "say what it is"),
    ("and no more", "only, exactly"),
    ("so many at most", "at most N"),
    ("so many at the most", "at most N"),
    ("is no number", "is not a number"),
    ("leave it out", "remove it"),
    ("go on as ever", "continue"),
    ("as ever", "as before"),
];

/// Starts a sentence the way a native writer would not.
const AT_SENTENCE_START: [&str; 2] = ["Of which ", "Of these the "];

/// Where people read: the program, its documents, SQL, the chart, and the scripts.
const WHERE: [(&str, &str); 9] = [
    ("", ".md"),
    ("src", ".rs"),
    ("tests", ".template"),
    ("sql/queries", ".sql"),
    ("sql/grants", ".sql"),
    ("sql/optional", ".sql"),
    ("helm", ".yaml"),
    ("helm", ".txt"),
    ("dev", ".sh"),
];

/// Text without the marks of comments and without line breaks, so that a phrase is found across lines.
fn flowing(text: &str) -> String {
    let plain = text.lines().map(|line| line.trim_start().trim_start_matches(['/', '!', '#', '-']).trim());
    plain.collect::<Vec<_>>().join(" ")
}

fn is_word(letter: Option<char>) -> bool {
    letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == '-')
}

/// Where `phrase` stands in `text` as whole words.
fn places<'a>(text: &'a str, phrase: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(phrase).map(|(at, _)| at).filter(move |at| {
        let before = text[..*at].chars().next_back();
        let after = text[at + phrase.len()..].chars().next();
        !is_word(before) && !is_word(after)
    })
}

/// What is refused in `text`, each with the words around it.
fn refused(text: &str) -> Vec<String> {
    let flowing = flowing(text);
    let lower = flowing.to_ascii_lowercase();
    let mut found = Vec::new();
    for (phrase, instead) in REFUSED {
        found.extend(places(&lower, phrase).map(|at| format!("'{phrase}' ({instead}): …{}", around(&flowing, at))));
    }
    for start in AT_SENTENCE_START {
        let starts = flowing.match_indices(start).filter(|(at, _)| *at == 0 || flowing[..*at].ends_with(". "));
        found.extend(starts.map(|(at, _)| format!("'{}' at the start: …{}", start.trim(), around(&flowing, at))));
    }
    found
}

/// Some words from a place on.
fn around(text: &str, at: usize) -> &str {
    let end = text[at..].char_indices().nth(60).map_or(text.len(), |(end, _)| at + end);
    &text[at..end]
}

#[test]
fn everything_that_people_read_is_plain_english() {
    let mut found = Vec::new();
    for (folder, ending) in WHERE {
        for file in files(folder, ending) {
            found.extend(refused(&file.text).into_iter().map(|phrase| format!("{}: {phrase}", file.path)));
        }
    }
    assert_none(&found, "write it as a native technical writer would");
}

#[test]
fn a_refused_phrase_is_found_in_any_case_and_across_lines_and_its_relatives_are_not() {
    assert_eq!(refused("/// What this\n/// MENDS is no more.").len(), 1);
    assert_eq!(refused("-- the key,\n-- so many at\n-- most: five").len(), 1);
    assert_eq!(refused("Read it. Of which a part is left.").len(), 1);
    assert_eq!(refused("We recommend amending, and commend the tremendous dependency.").len(), 0);
    assert_eq!(refused("Rows, most of which stay.").len(), 0);
}
