//! One typed event is a log line, a metric and (later) a span.
