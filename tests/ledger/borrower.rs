//! A process that lives by the lease protocol, one step at a time and without threads: its slice, its
//! journal, how much of that is on the disk, and how much of it the ledger has taken down.

use flyball::budget::{
    Answer, Applied, Ask, Books, Charge, Drawn, LeaseAsk, LeaseId, LeaseStanding, Operation,
    Record, Remains, Slice, SliceAnswer,
};
use flyball::id::AttemptId;
use flyball::ledger::Ledger;

use super::stand::{answer, id};

#[derive(Clone)]
pub(super) struct Borrower {
    pub(super) slice: Slice,
    pub(super) journal: Vec<Record>,
    /// So many records are on the disk.
    pub(super) written: usize,
    /// So many records have reached the ledger.
    pub(super) sent: usize,
}

impl Borrower {
    /// Borrows, if the ledger lends.
    pub(super) fn lent<L: Ledger>(books: &mut Books<L>, ask: LeaseAsk) -> Option<Self> {
        let Answer::Lent(lent) = answer(books, Operation::Lend(ask)) else { panic!("no answer") };
        let lent = lent?;
        let slice = Slice::new(lent.lease, lent.slice);
        Some(Self { slice, journal: Vec::new(), written: 0, sent: 0 })
    }

    pub(super) fn lease(&self) -> LeaseId {
        self.slice.lease()
    }

    /// Whether the slice admits it. What has to be promised first is, with half of it to spare.
    pub(super) fn draw(&mut self, ask: &Ask) -> bool {
        self.promising(|slice| slice.draw(ask))
    }

    pub(super) fn extend(&mut self, attempt: &AttemptId, by: Charge) -> bool {
        self.promising(|slice| slice.extend(attempt, by))
    }

    fn promising(
        &mut self,
        mut act: impl FnMut(&mut Slice) -> (SliceAnswer, Option<Record>),
    ) -> bool {
        let (mut answer, mut record) = act(&mut self.slice);
        if let SliceAnswer::Unpromised(charge) = answer {
            let charge = charge.scaled(3, 2).max(charge);
            self.journal.push(Record::Promise(charge));
            self.write();
            self.slice.promise(charge);
            (answer, record) = act(&mut self.slice);
        }
        self.journal.extend(record);
        matches!(answer, SliceAnswer::Admitted(_))
    }

    pub(super) fn shrink(&mut self, attempt: &AttemptId, to: Charge) {
        let record = self.slice.shrink(attempt, to);
        self.journal.extend(record);
    }

    pub(super) fn settle(&mut self, attempt: &AttemptId, used: Charge) {
        let record = self.slice.settle(attempt, used);
        self.journal.extend(record);
    }

    pub(super) fn release(&mut self, attempt: &AttemptId) {
        let record = self.slice.release(attempt);
        self.journal.extend(record);
    }

    pub(super) fn expire(&mut self, attempt: &AttemptId) {
        let record = self.slice.expire(attempt);
        self.journal.extend(record);
    }

    /// Brings every record to the disk.
    pub(super) fn write(&mut self) {
        self.written = self.journal.len();
    }

    /// The same, and takes back what is promised.
    pub(super) fn write_out(&mut self) {
        self.write();
        let record = self.slice.write_out();
        self.journal.extend(record);
        self.write();
    }

    /// What is written and not sent, as the ledger is told it.
    pub(super) fn unsent(&self) -> Operation {
        let records = self.journal[self.sent..self.written].to_vec();
        Operation::TakeDown(self.lease(), self.sent as u64, records)
    }

    /// Sends what is written, and asks how the slice stands.
    pub(super) fn send<L: Ledger>(&mut self, books: &mut Books<L>) -> (LeaseStanding, Applied) {
        let batch = [self.unsent(), Operation::LeaseStanding(self.lease())];
        let applied = books.apply(&batch).unwrap();
        self.sent = self.written;
        assert_eq!(applied.answers[0], Ok(Answer::TakenDown(Vec::new())));
        let Ok(Answer::Standing(standing)) = applied.answers[1] else { panic!("no standing") };
        if standing == LeaseStanding::Ended {
            self.slice.end();
        }
        (standing, applied)
    }

    /// Admits no more, sends the rest and gives the slice back.
    pub(super) fn give_back<L: Ledger>(&mut self, books: &mut Books<L>) -> Applied {
        self.slice.end();
        self.write_out();
        self.send(books);
        books.apply(&[Operation::GiveBack(self.lease())]).unwrap()
    }

    /// What whoever finds the journal of this process reads in it.
    pub(super) fn remains(&self) -> Remains {
        Remains::of(self.lease(), self.journal[..self.written].iter().cloned())
    }
}

/// What the ledger still has of a slice; `None` where it is not out.
pub(super) fn left<L: Ledger>(books: &Books<L>, lease: LeaseId) -> Option<Charge> {
    let leases = books.reader().leases().unwrap();
    leases.into_iter().find(|row| row.id == lease).map(|row| row.left)
}

/// The attempt that stands for what a dead process may have drawn and not written.
pub(super) fn unwritten(lease: LeaseId) -> AttemptId {
    id(&format!("lease-{}/unwritten", lease.number()))
}

/// Ends the slice of a process that died, by its journal.
pub(super) fn reconcile<L: Ledger>(books: &mut Books<L>, lease: LeaseId, remains: &Remains) {
    books.apply(&remains.operations).unwrap();
    let batch = last_words(books, lease, remains);
    books.apply(&batch).unwrap();
}

/// The transaction that ends a slice. It is one, because whoever repeats it after a crash would find
/// less left than what the unwritten was measured by.
pub(super) fn last_words<L: Ledger>(
    books: &Books<L>,
    lease: LeaseId,
    remains: &Remains,
) -> Vec<Operation> {
    let (attempt, left) = (unwritten(lease), left(books, lease).unwrap_or(Charge::ZERO));
    let charge = remains.unwritten.min(left);
    let drawn = Drawn { attempt: attempt.clone(), agent: None, price: None, charge };
    let mut batch = vec![Operation::Draw(lease, drawn), Operation::Expire(attempt)];
    batch.extend(remains.in_flight.keys().cloned().map(Operation::Expire));
    batch.push(Operation::GiveBack(lease));
    batch
}
