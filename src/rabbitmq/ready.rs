//! The list of a channel's outstanding messages that may have an answer. Each message has its own
//! waker, which puts its slot on the list.
//!
//! Used by `channel`, so that a drain polls only the messages that lapin has woken, not hundreds of
//! others. A wake is on the list before the waking call returns. So if one thread resolves two
//! confirms one after the other, the earlier one is on the list by the time the later one can be
//! seen.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// The list, and one waker per slot.
pub(super) struct Ready {
    list: Arc<List>,
    wakers: Vec<Waker>,
}

#[derive(Default)]
struct List(Mutex<Woken>);

#[derive(Default)]
struct Woken {
    slots: Vec<usize>,
    /// Who waits until the list is no longer empty.
    waiting: Option<Waker>,
}

impl Ready {
    pub(super) fn new() -> Self {
        Self { list: Arc::default(), wakers: Vec::new() }
    }

    /// A slot's waker. Slots are reused; a late wake for an old use only causes one extra poll.
    pub(super) fn waker(&mut self, slot: usize) -> &Waker {
        while self.wakers.len() <= slot {
            let nudge = Nudge { slot: self.wakers.len(), list: Arc::clone(&self.list) };
            self.wakers.push(Waker::from(Arc::new(nudge)));
        }
        &self.wakers[slot]
    }

    /// Puts a slot on the list that cannot have been woken yet.
    pub(super) fn push(&self, slot: usize) {
        self.list.woken().slots.push(slot);
    }

    /// Moves the list into `slots`, which must be empty. Returns false if the list was empty.
    pub(super) fn take(&self, slots: &mut Vec<usize>) -> bool {
        std::mem::swap(&mut self.list.woken().slots, slots);
        !slots.is_empty()
    }

    /// Calls `waker` once a slot is on the list. Returns false if one already is.
    pub(super) fn wait(&self, waker: &Waker) -> bool {
        let mut woken = self.list.woken();
        if !woken.slots.is_empty() {
            return false;
        }
        woken.waiting = Some(waker.clone());
        true
    }
}

impl List {
    fn woken(&self) -> MutexGuard<'_, Woken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Nudge {
    slot: usize,
    list: Arc<List>,
}

impl Wake for Nudge {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let waiting = {
            let mut woken = self.list.woken();
            woken.slots.push(self.slot);
            woken.waiting.take()
        };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_is_woken_is_on_the_list_in_that_order_and_whoever_waits_is_called_once() {
        let (mut ready, count, mut slots) = (Ready::new(), Arc::new(Count::default()), Vec::new());
        let caller = Waker::from(Arc::clone(&count));
        assert!(!ready.take(&mut slots));
        assert!(ready.wait(&caller));
        for slot in [2, 0] {
            ready.waker(slot).wake_by_ref();
        }
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(!ready.wait(&caller), "the list is not empty");
        assert!(ready.take(&mut slots));
        assert_eq!(slots, [2, 0]);
    }
}
