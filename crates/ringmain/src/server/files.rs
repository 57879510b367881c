//! Every answer under way is two sockets: the caller's and the provider's.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the process's own limit of open files as far as it is allowed to; the limit afterwards, `None` for none.
pub(crate) fn raise_open_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        // Some systems have a lower bound of their own than they say. What there is goes on to serve.
        Err(error) => {
            tracing::warn!(%error, "the limit of open files could not be raised");
            limit.current
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn afterwards_the_limit_is_the_most_that_is_allowed() {
        let most = getrlimit(Resource::Nofile).maximum;
        assert_eq!(raise_open_files(), most);
        assert_eq!(getrlimit(Resource::Nofile).current, most);
    }
}
