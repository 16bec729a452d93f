//! Rounds of questions and answers.
