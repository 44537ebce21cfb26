//! Every claim of the threat model names a test, and the test is there.

use std::collections::BTreeSet;

use crate::assert_none;
use crate::tree::files;

const PAGE: &str = "docs/threat-model.md";
/// Sections whose items are claims; the others describe, or say what is not promised.
const CLAIMS: [&str; 2] = ["## What each may try, and what stops it", "## What it does by itself"];

/// The names of all functions in the tests and in the modules' own tests.
fn functions() -> BTreeSet<String> {
    let name = |line: &str| Some(line.split_once("fn ")?.1.split(['(', '<']).next()?.to_owned());
    let all = files("tests", ".rs").into_iter().chain(files("src", ".rs"));
    all.flat_map(|file| file.text.lines().filter_map(name).collect::<Vec<_>>()).collect()
}

/// The items of the sections of claims, each in one line.
fn claims(page: &str) -> Vec<String> {
    let (mut claims, mut is_claims) = (Vec::<String>::new(), false);
    for line in page.lines() {
        if line.starts_with("## ") {
            is_claims = CLAIMS.contains(&line);
        } else if !is_claims {
        } else if line.starts_with("- ") {
            claims.push(line.to_owned());
        } else if let (Some(claim), true) = (claims.last_mut(), line.starts_with("  ")) {
            claim.push_str(line);
        }
    }
    claims
}

#[test]
fn every_claim_of_the_threat_model_names_a_test_that_is_there() {
    let pages = files("docs", ".md");
    let page = pages.iter().find(|file| file.path == PAGE).unwrap_or_else(|| panic!("no {PAGE}"));
    let (claims, functions) = (claims(&page.text), functions());
    assert!(claims.len() > 20, "{} claims", claims.len());
    let mut wrong = Vec::new();
    for claim in claims {
        let named = claim.rsplit_once("Test: ").map(|(_, tests)| tests).unwrap_or_default();
        let named: Vec<&str> = named.split('`').skip(1).step_by(2).collect();
        if named.is_empty() {
            wrong.push(format!("names no test: {claim}"));
        }
        wrong.extend(
            named.iter().filter(|name| !functions.contains(**name)).map(|name| format!("no test {name}: {claim}")),
        );
    }
    assert_none(&wrong, "a claim of the threat model names a test that is there");
}
