//! Helpers of the tests that cross stages; the tests themselves are in `tests/tests/`.
