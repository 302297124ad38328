//! Sums kept beside the account, by addition alone: what it is checked against. Knows no rules but
//! the one that is to be proved: settled and reserved stay within the limit.

use std::collections::BTreeMap;

use flyball::budget::{Balance, Charge, Limits, Unit};

const UNITS: usize = Unit::ALL.len();

/// What one scope has taken, as those saw it who took it.
#[derive(Clone, Debug)]
pub(crate) struct Sums {
    pub(crate) limits: Limits,
    pub(crate) paused: bool,
    settled: [i128; UNITS],
    reserved: [i128; UNITS],
    /// What upstreams took beyond their reservations.
    overrun: [i128; UNITS],
    /// The limit; where it was lowered below what was taken then, that, until it is given back.
    ceiling: [i128; UNITS],
    /// In flight, and whether it counts for good.
    agents: BTreeMap<u64, (u32, bool)>,
}

fn numbers(charge: Charge) -> [i128; UNITS] {
    Unit::ALL.map(|unit| charge.get(unit))
}

fn add(sums: &mut [i128; UNITS], charge: Charge, sign: i128) {
    for (sum, number) in sums.iter_mut().zip(numbers(charge)) {
        *sum += sign * number;
    }
}

fn ceilings(limits: &Limits) -> [i128; UNITS] {
    Unit::ALL.map(|unit| limits.get(unit).unwrap_or(i128::MAX))
}

impl Sums {
    pub(crate) fn new(limits: Limits) -> Self {
        let nothing = [0; UNITS];
        let ceiling = ceilings(&limits);
        Self {
            limits,
            paused: false,
            settled: nothing,
            reserved: nothing,
            overrun: nothing,
            ceiling,
            agents: BTreeMap::new(),
        }
    }

    pub(crate) fn set_limits(&mut self, limits: Limits) {
        let taken = self.taken();
        self.ceiling = ceilings(&limits);
        for (ceiling, taken) in self.ceiling.iter_mut().zip(taken) {
            *ceiling = (*ceiling).max(taken);
        }
        self.limits = limits;
    }

    pub(crate) fn reserve(&mut self, charge: Charge, agent: u64) {
        add(&mut self.reserved, charge, 1);
        self.agents.entry(agent).or_default().0 += 1;
        self.count_agents();
    }

    pub(crate) fn change(&mut self, from: Charge, to: Charge) {
        add(&mut self.reserved, from, -1);
        add(&mut self.reserved, to, 1);
    }

    /// Ends what had `reserved` (nothing, where that was given back before).
    pub(crate) fn close(&mut self, reserved: Option<Charge>, used: Option<Charge>, agent: u64) {
        let count = self.agents.entry(agent).or_default();
        if let Some(reserved) = reserved {
            add(&mut self.reserved, reserved, -1);
            count.0 -= 1;
        }
        if let Some(used) = used {
            // An agent that had given its place back, and left after all.
            self.overrun[UNITS - 1] += i128::from(*count == (0, false) && reserved.is_none());
            add(&mut self.settled, used, 1);
            add(&mut self.overrun, used.minus(reserved.unwrap_or(Charge::ZERO)), 1);
            count.1 = true;
        }
        if *count == (0, false) {
            self.agents.remove(&agent);
        }
        self.count_agents();
    }

    pub(crate) fn correct(&mut self, before: Charge, after: Charge) {
        add(&mut self.settled, before, -1);
        add(&mut self.settled, after, 1);
    }

    fn count_agents(&mut self) {
        let agents = UNITS - 1;
        let for_good = self.agents.values().filter(|(_, settled)| *settled).count();
        self.settled[agents] = for_good as i128;
        self.reserved[agents] = (self.agents.len() - for_good) as i128;
    }

    fn taken(&self) -> [i128; UNITS] {
        std::array::from_fn(|unit| self.settled[unit] + self.reserved[unit])
    }

    /// Whether settled and reserved are within the limits.
    pub(crate) fn is_within(&self) -> bool {
        self.taken().into_iter().zip(ceilings(&self.limits)).all(|(taken, limit)| taken <= limit)
    }

    /// By how much more was spent than was ever allowed, by unit. Lowers the ceiling to what is
    /// still taken.
    pub(crate) fn overspent(&mut self) -> [i128; UNITS] {
        let (taken, limits) = (self.taken(), ceilings(&self.limits));
        for unit in 0..UNITS {
            self.ceiling[unit] = limits[unit].max(self.ceiling[unit].min(taken[unit]));
        }
        std::array::from_fn(|unit| (self.settled[unit] - self.ceiling[unit]).max(0))
    }

    /// Whether all that was overspent, and all that is reserved above it, is what upstreams took
    /// beyond their reservations.
    pub(crate) fn is_excused(&self) -> bool {
        let over = |unit: usize| self.taken()[unit] - self.ceiling[unit];
        (0..UNITS).all(|unit| over(unit) <= self.overrun[unit])
    }

    /// Whether `least` could not be paid here if nothing in flight cost anything.
    pub(crate) fn can_never_pay(&self, least: Charge, agent: u64) -> bool {
        let mut needed = numbers(least);
        needed[UNITS - 1] = i128::from(!self.agents.contains_key(&agent));
        let limits = ceilings(&self.limits);
        (0..UNITS).any(|unit| {
            self.settled[unit] > limits[unit] || needed[unit] > limits[unit] - self.settled[unit]
        })
    }

    pub(crate) fn settled_usd_pico(&self) -> i128 {
        self.settled[0]
    }

    /// Panics where an account holds anything else.
    pub(crate) fn assert_is(&self, balance: &Balance, seed: u64) {
        let mut settled = numbers(balance.settled);
        let mut reserved = numbers(balance.reserved);
        settled[UNITS - 1] = balance.agents_settled.into();
        reserved[UNITS - 1] = balance.agents_reserved.into();
        assert_eq!(settled, self.settled, "settled, seed {seed}");
        assert_eq!(reserved, self.reserved, "reserved, seed {seed}");
        assert_eq!(self.limits, balance.limits, "limits, seed {seed}");
    }
}
