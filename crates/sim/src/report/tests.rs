use std::time::Duration;

use super::table::{percent, seconds, span};

#[test]
fn numbers_read_well() {
    for (share, text) in [(1.0, "100 %"), (0.99999, "99.99 %"), (0.999_999_9, "99.99 %"), (0.5, "50.00 %")] {
        assert_eq!(percent(share), text);
    }
    for (time, text) in [(None, "-"), (Some(0.04), "40ms"), (Some(1.26), "1.3s"), (Some(12.4), "12s")] {
        assert_eq!(seconds(time), text);
    }
    for (time, text) in [(300, "5 min"), (90, "90 s"), (86_400, "24 h")] {
        assert_eq!(span(Duration::from_secs(time)), text);
    }
}
