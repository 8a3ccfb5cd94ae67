//! Cursors of listings that go by ids: opaque, and tied to the listing they
//! came from. What is there during a whole listing comes exactly once, whatever
//! is made or taken away meanwhile.

use xxhash_rust::xxh3::xxh3_64;

use crate::problem::{Code, Problem};

/// The form of these cursors; another form gets another number.
const FORM: &str = "2";
/// Most things on one page.
const PAGE: usize = 1_000;

/// A listing, told from others by its filter and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    print: u64,
    limit: usize,
    /// The last id of the page before; 0 is before every id.
    pub(crate) after: u64,
}

impl Listing {
    /// Reads the page that is asked for of the listing that `filter` describes.
    ///
    /// # Errors
    /// [`Code::BadParameter`], [`Code::BadCursor`].
    pub(crate) fn read(
        filter: &str,
        limit: Option<usize>,
        cursor: Option<&str>,
    ) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(100);
        if !(1..=PAGE).contains(&limit) {
            return Err(Problem::new(Code::BadParameter, "limit: it must be from 1 to 1,000"));
        }
        let print = xxh3_64(filter.as_bytes());
        let after = cursor.map_or(Ok(0), |text| after(text, print))?;
        Ok(Self { print, limit, after })
    }

    /// Takes a page of what comes after the page before, in the order of ids;
    /// returns it with the cursor of the next, when there is one.
    pub(crate) fn page<T>(
        self,
        rest: impl Iterator<Item = T>,
        id: impl Fn(&T) -> u64,
    ) -> (Vec<T>, Option<String>) {
        let mut items: Vec<T> = rest.take(self.limit + 1).collect();
        let is_more = items.len() > self.limit;
        items.truncate(self.limit);
        let last = items.last().filter(|_| is_more).map(id);
        (items, last.map(|last| format!("{FORM}.{:016x}.{last:x}", self.print)))
    }
}

fn after(text: &str, print: u64) -> Result<u64, Problem> {
    let bad = |words: &str| Problem::new(Code::BadCursor, words);
    let pieces: Vec<_> = text.split('.').collect();
    let [FORM, known, last] = pieces[..] else {
        return Err(bad("it was not given by this version of a listing"));
    };
    if u64::from_str_radix(known, 16).ok() != Some(print) {
        return Err(bad("it belongs to a listing with another filter or order"));
    }
    u64::from_str_radix(last, 16).map_err(|_| bad("it is damaged"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_and_end() {
        let all = [1_u64, 3, 4, 9, 70];
        let (mut cursor, mut seen) = (None, Vec::new());
        loop {
            let listing = Listing::read("all", Some(2), cursor.as_deref()).expect("it reads");
            let rest = all.into_iter().filter(|id| *id > listing.after);
            let (items, next) = listing.page(rest, |id| *id);
            seen.extend(items);
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn a_cursor_belongs_to_its_listing() {
        let listing = Listing::read("a", Some(1), None).expect("it reads");
        let cursor = listing.page([1_u64, 2].into_iter(), |id| *id).1.expect("there is more");
        assert_eq!(Listing::read("a", None, Some(&cursor)).map(|it| it.after), Ok(1));
        let long = "2.".repeat(100);
        for (filter, odd) in [("b", cursor.as_str()), ("a", ""), ("a", "1.2.3"), ("a", &long)] {
            let refused = Listing::read(filter, None, Some(odd)).expect_err(odd);
            assert_eq!(refused.code, Code::BadCursor, "{odd}");
        }
        for limit in [0, 1_001] {
            assert!(Listing::read("a", Some(limit), None).is_err());
        }
    }
}
