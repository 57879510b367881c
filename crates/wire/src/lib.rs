//! Sans-IO framers for streamed answers, and the JSON span index with byte splices.
