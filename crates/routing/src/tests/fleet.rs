//! What one process tells another of its breakers.

use ringmain_core::FaultClass;

use super::{World, fault, policy, secs};
use crate::fleet::{Place, heard_opened, opened};
use crate::{Row, Standing, view};

fn first(world: &World) -> Row {
    view(&world.health, &world.policy, Some(&world.facts), world.now()).rows()[0]
}

/// One process finds out by failing; another hears of it, asks nobody, and finds out by one request that it is over.
#[test]
fn an_outage_is_learned_once() {
    for (class, place) in [(FaultClass::Server, Place::Target), (FaultClass::Network, Place::Host)] {
        let (mut one, mut two) = (World::new(policy(&[1, 1])), World::new(policy(&[1, 1])));
        assert_eq!(opened(&first(&one)), None);
        let _ = one.served(40, |attempt| if attempt.candidate == 0 { Err(fault(class)) } else { Ok(()) });
        let (what, until) = opened(&first(&one)).unwrap();
        assert_eq!(what, place, "{class}");
        two.pass(one.now.since(two.now));
        heard_opened(&mut two.health, &two.policy, 0, what, until);
        assert_eq!(opened(&first(&two)), Some((place, until)), "{class}: it says the same");
        let asked = two.served(10, |attempt| {
            assert_eq!(attempt.candidate, 1, "{class}: nobody asks there");
            Ok(())
        });
        drop(asked);
        two.pass(until.since(two.now));
        assert_eq!(first(&two).standing, Standing::Probe, "{class}");
    }
}

/// What comes late shuts nothing for longer than it says, and no probe is disturbed.
#[test]
fn an_old_word_is_as_good_as_none() {
    let mut world = World::new(policy(&[1, 1]));
    world.pass(secs(60));
    let before = world.now;
    heard_opened(&mut world.health, &world.policy, 0, Place::Target, before);
    assert_eq!(first(&world).standing, Standing::Probe, "one request finds out");
    heard_opened(&mut world.health, &world.policy, 7, Place::Target, before + secs(5));
}
