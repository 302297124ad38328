//! Threads that share one account behind a lock, as the group commit's callers do: every schedule
//! that is tried admits within the limits, decides everybody and charges everything once.
//!
//! The schedules are shuttle's: drawn at random, and by probabilistic concurrency testing, which
//! finds what needs few preemptions in an unlikely order. Each is repeatable by its seed.

use std::collections::BTreeMap;

use flyball::budget::{Account, Admission, Ask, Charge, Effects, Grant, Limits, ScopeId};
use flyball::id::AttemptId;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::mpsc::{Sender, channel};
use shuttle::sync::{Arc, Mutex};
use shuttle::{Config, Runner, thread};

use crate::budget::{ask, pico, used};

const SEED: u64 = 20_261_125;
const AGENTS: usize = 3;
const REQUESTS: usize = 2;
/// What a request can cost: its prompt, and a token a picodollar.
const PROMPT: i128 = 30;
const STANDING: u64 = 20;
const FLOOR: u64 = 10;
const LIMIT: i128 = 90;
const RAISED: i128 = 170;

/// What is wrong with a desk, so that the schedules can be seen to find it.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// It looks whether a request fits, lets go of the lock, and then takes what it saw.
    LooksThenTakes,
    /// It tells nobody what a release set free.
    ForgetsDecisions,
    /// It settles what it cannot remember to have settled.
    SettlesTwice,
}

struct Desk {
    kept: Mutex<Kept>,
    run: ScopeId,
    phase: ScopeId,
    fault: Fault,
}

struct Kept {
    account: Account,
    limit: i128,
    waiting: BTreeMap<AttemptId, Sender<Admission>>,
    /// What the upstream says it was paid.
    paid: i128,
}

impl Desk {
    fn new(fault: Fault) -> Self {
        let mut account = Account::new();
        let limits = |limit| match fault {
            Fault::LooksThenTakes => Limits::NONE,
            _ => Limits::usd(pico(limit)),
        };
        let run = account.open(None, "run r", limits(LIMIT)).unwrap();
        let phase = account.open(Some(run), "phase p", Limits::NONE).unwrap();
        let kept = Kept { account, limit: LIMIT, waiting: BTreeMap::new(), paid: 0 };
        Self { kept: Mutex::new(kept), run, phase, fault }
    }

    /// Blocks until it is decided, as a caller of the group commit does.
    fn reserve(&self, ask: Ask) -> Option<Grant> {
        if self.fault == Fault::LooksThenTakes {
            let kept = self.kept.lock().unwrap();
            let balance = kept.account.balance(self.run).unwrap();
            let taken = balance.settled.usd + balance.reserved.usd;
            if taken + ask.bound.charge(STANDING).usd > pico(kept.limit) {
                return None;
            }
        }
        let answer = {
            let mut kept = self.kept.lock().unwrap();
            let attempt = ask.attempt.clone();
            let admission = kept.account.reserve(ask).unwrap();
            self.check(&kept);
            match admission {
                Admission::Admitted(grant) => return Some(grant),
                Admission::Refused(_) => return None,
                Admission::Waiting(_) => {
                    let (reply, answer) = channel();
                    kept.waiting.insert(attempt, reply);
                    answer
                }
            }
        };
        match answer.recv().unwrap() {
            Admission::Admitted(grant) => Some(grant),
            _ => None,
        }
    }

    /// One operation, whose effects on others are told to them.
    fn change(&self, change: impl FnOnce(&mut Account) -> Effects) {
        let mut kept = self.kept.lock().unwrap();
        let effects = change(&mut kept.account);
        self.tell(&mut kept, effects);
    }

    fn settle(&self, attempt: &AttemptId, usd: i128) {
        let mut kept = self.kept.lock().unwrap();
        let effects = kept.account.settle(attempt, used(usd)).unwrap();
        if !effects.already_closed || self.fault == Fault::SettlesTwice {
            kept.paid += usd;
        }
        self.tell(&mut kept, effects);
    }

    fn tell(&self, kept: &mut Kept, effects: Effects) {
        self.check(kept);
        for decision in effects.decisions {
            let reply = kept.waiting.remove(&decision.attempt).expect("somebody waits for it");
            reply.send(decision.admission).unwrap();
        }
    }

    fn check(&self, kept: &Kept) {
        for scope in [self.run, self.phase] {
            let balance = kept.account.balance(scope).unwrap();
            let taken = balance.settled.usd + balance.reserved.usd;
            assert!(taken <= pico(kept.limit), "overspent: {taken:?} of {}", kept.limit);
        }
    }

    /// What one agent does with its request, by turns: every way in which an attempt ends.
    fn request(&self, agent: usize, request: usize) {
        let ask = Ask {
            agent: Some(format!("{agent}").into()),
            order: agent as u64,
            ..ask(&format!("{agent}/{request}"), self.phase, PROMPT, STANDING, FLOOR)
        };
        let attempt = ask.attempt.clone();
        let Some(grant) = self.reserve(ask) else { return };
        match (agent + request) % 4 {
            0 => self.change(|account| {
                let effects = account.release(&attempt).unwrap();
                match self.fault {
                    Fault::ForgetsDecisions => Effects::default(),
                    _ => effects,
                }
            }),
            1 => {
                let to = Charge { usd: pico(25), ..grant.reserved };
                self.change(|account| account.shrink(&attempt, to).unwrap());
                self.settle(&attempt, 25);
            }
            2 => {
                let usd = grant.reserved.usd.pico();
                self.change(|account| account.expire(&attempt).unwrap());
                self.kept.lock().unwrap().paid += usd;
                // The upstream's answer comes after all, and changes nothing.
                self.settle(&attempt, 5);
            }
            _ => {
                self.settle(&attempt, grant.reserved.usd.pico());
                self.settle(&attempt, grant.reserved.usd.pico());
            }
        }
    }

    /// Meanwhile, somebody pauses the run, gives it more, and lets it go on.
    fn operate(&self) {
        self.change(|account| {
            account.pause(self.run).unwrap();
            Effects::default()
        });
        let mut kept = self.kept.lock().unwrap();
        kept.limit = RAISED;
        let limits = Limits::usd(pico(RAISED));
        let effects = kept.account.set_limits(self.run, limits).unwrap();
        self.tell(&mut kept, effects);
        drop(kept);
        self.change(|account| account.resume(self.run).unwrap());
    }
}

/// One schedule: all threads, then what must be true once they have ended.
fn threads_on_one_account(fault: Fault) {
    let desk = Arc::new(Desk::new(fault));
    let agents = (0..AGENTS).map(|agent| {
        let desk = Arc::clone(&desk);
        thread::spawn(move || (0..REQUESTS).for_each(|request| desk.request(agent, request)))
    });
    let mut threads: Vec<_> = agents.collect();
    let operator = Arc::clone(&desk);
    threads.push(thread::spawn(move || operator.operate()));
    for thread in threads {
        thread.join().unwrap();
    }
    let kept = desk.kept.lock().unwrap();
    assert!(kept.waiting.is_empty() && kept.account.waiting() == 0, "somebody still waits");
    let balance = kept.account.balance(desk.run).unwrap();
    assert_eq!(balance.reserved, Charge::ZERO);
    assert_eq!(balance.settled.usd, pico(kept.paid), "charged other than once");
    kept.account.verify().unwrap();
}

fn try_all(scheduler: impl Scheduler + 'static, fault: Fault) {
    let tried = Runner::new(scheduler, Config::new()).run(move || threads_on_one_account(fault));
    assert!(tried >= 1_000, "only {tried} schedules were tried");
}

#[test]
fn no_schedule_at_random_overspends_forgets_or_charges_twice() {
    try_all(RandomScheduler::new_from_seed(SEED, 3_000), Fault::None);
}

#[test]
fn no_schedule_with_rare_preemptions_overspends_forgets_or_charges_twice() {
    for preemptions in 1..=4 {
        try_all(PctScheduler::new_from_seed(SEED, preemptions, 1_000), Fault::None);
    }
}

#[test]
#[should_panic(expected = "overspent")]
fn the_schedules_find_who_looks_and_then_takes() {
    try_all(RandomScheduler::new_from_seed(SEED, 3_000), Fault::LooksThenTakes);
}

#[test]
#[should_panic(expected = "deadlock")]
fn the_schedules_find_whom_nobody_told() {
    try_all(RandomScheduler::new_from_seed(SEED, 3_000), Fault::ForgetsDecisions);
}

#[test]
#[should_panic(expected = "charged other than once")]
fn the_schedules_find_what_is_paid_twice() {
    try_all(RandomScheduler::new_from_seed(SEED, 3_000), Fault::SettlesTwice);
}
