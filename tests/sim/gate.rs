//! The process around the relay's tasks: it can be frozen and killed whenever a task gives way, which is at every await that waits.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

use crate::world::Ms;

/// What becomes of a process after so many more polls of its tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    Kill,
    Freeze(Ms),
}

#[derive(Default)]
struct State {
    frozen: bool,
    dead: bool,
    blow: Option<(u64, Blow)>,
    /// One per task: how to have it polled when the process is thawed or killed.
    wakers: Vec<Option<Waker>>,
}

/// A process's switch.
#[derive(Default)]
pub struct Switch {
    state: Mutex<State>,
    /// Given when a blow falls.
    pub fallen: Notify,
    landed: Mutex<Option<Blow>>,
}

impl Switch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics here")
    }

    pub fn is_frozen(&self) -> bool {
        self.state().frozen
    }

    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    pub fn freeze(&self) {
        self.state().frozen = true;
    }

    pub fn thaw(&self) {
        self.state().frozen = false;
        self.wake();
    }

    pub fn kill(&self) {
        self.state().dead = true;
        self.wake();
    }

    /// Strikes after `polls` more polls.
    pub fn strike(&self, polls: u64, blow: Blow) {
        self.state().blow = Some((polls, blow));
    }

    /// The blow that has fallen, once.
    pub fn take_landed(&self) -> Option<Blow> {
        self.landed.lock().expect("nobody panics here").take()
    }

    fn wake(&self) {
        let wakers: Vec<Waker> = self.state().wakers.iter_mut().filter_map(Option::take).collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Counts a poll; the blow falls before the process does anything more.
    fn count(&self) {
        let blow = {
            let mut state = self.state();
            let Some((polls, blow)) = &mut state.blow else { return };
            if *polls > 0 {
                *polls -= 1;
                return;
            }
            let blow = *blow;
            state.blow = None;
            match blow {
                Blow::Kill => state.dead = true,
                Blow::Freeze(_) => state.frozen = true,
            }
            blow
        };
        *self.landed.lock().expect("nobody panics here") = Some(blow);
        self.fallen.notify_one();
        if blow == Blow::Kill {
            self.wake();
        }
    }
}

/// One task of the process.
pub struct Gate<F> {
    task: Option<Pin<Box<F>>>,
    switch: Arc<Switch>,
    place: usize,
}

impl<F: Future<Output = ()>> Gate<F> {
    pub fn new(switch: &Arc<Switch>, task: F) -> Self {
        let place = {
            let mut state = switch.state();
            state.wakers.push(None);
            state.wakers.len() - 1
        };
        Self { task: Some(Box::pin(task)), switch: Arc::clone(switch), place }
    }
}

impl<F: Future<Output = ()>> Future for Gate<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.switch.count();
        let place = self.place;
        let (frozen, dead) = {
            let mut state = self.switch.state();
            state.wakers[place] = Some(cx.waker().clone());
            (state.frozen, state.dead)
        };
        if dead {
            self.task = None;
            return Poll::Ready(());
        }
        match &mut self.task {
            Some(_) if frozen => Poll::Pending,
            Some(task) => task.as_mut().poll(cx),
            None => Poll::Ready(()),
        }
    }
}
