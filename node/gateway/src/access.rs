//! Who is at the door, and what they may do: secrets, passwords, the rule of
//! every route, and the layer that asks. The catalog's view answers, so that a
//! request costs no round of consensus. Refuses to know what routes do.
//! Invariant: A-1 (who asked is part of every change).

pub(crate) mod caller;
pub(crate) mod first;
pub(crate) mod guard;
pub(crate) mod ledger;
pub(crate) mod origin;
pub(crate) mod password;
pub(crate) mod rule;
pub(crate) mod secret;
