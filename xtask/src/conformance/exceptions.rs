//! The scenarios that a pass cannot show, each with its reason.
//!
//! Owns this list and nothing else. It is short on purpose: an entry says that the messages of one
//! revision have no place for something that those of another ask for. Exactly these fail; one that
//! passes after all is reported, so that the list stays true.

/// A scenario that fails before one child.
pub(super) struct Exception {
    /// The revision whose requirements are tested.
    pub(super) revision: &'static str,
    /// The era of the child, as the fixture's command line names it.
    pub(super) child: &'static str,
    /// The scenario's name in the suite.
    pub(super) scenario: &'static str,
    /// What the child's messages cannot say.
    pub(super) reason: &'static str,
}

pub(super) const ALL: &[Exception] = &[Exception {
    revision: "2026-07-28",
    child: "legacy",
    scenario: "input-required-result-basic-elicitation",
    reason: "it wants the input request under the key `user_name`, and a question before \
             2026-07-28 has no name",
}];
