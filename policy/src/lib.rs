//! Policy documents, decisions, findings and report data.
