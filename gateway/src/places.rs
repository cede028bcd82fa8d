//! Who holds how many connections. Only open connections are remembered, so that the memory of
//! it is bounded by their number.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, watch};

use crate::limits::{Client, Limits, Live};

/// Connections beyond a client's share that are being answered so; any more are closed without
/// an answer. They count for nobody.
const EXCESS_MAX: usize = 64;

/// The places of an endpoint.
#[derive(Default)]
pub(crate) struct Places {
    held: Mutex<Held>,
    freed: Notify,
}

#[derive(Default)]
struct Held {
    connections: usize,
    excess: usize,
    clients: HashMap<Client, usize>,
}

/// What a connection holds while it is open.
pub(crate) struct Place {
    places: Arc<Places>,
    pub(crate) client: Client,
    /// The client has its share already: this connection is only told so.
    pub(crate) excess: bool,
}

impl Places {
    /// Waits for a free place; says whether it had to. There is one that waits: who accepts.
    pub(crate) async fn room(&self, live: &mut watch::Receiver<Live>) -> bool {
        let mut waited = false;
        loop {
            let max = live.borrow_and_update().limits.connections_max.get();
            if self.held().connections < max {
                return waited;
            }
            waited = true;
            tokio::select! {
                () = self.freed.notified() => {}
                Ok(()) = live.changed() => {}
            }
        }
    }

    /// A place for a connection of this client; none if it is to be closed at once.
    pub(crate) fn enter(self: &Arc<Self>, client: Client, limits: &Limits) -> Option<Place> {
        let mut held = self.held();
        let has = held.clients.get(&client).copied().unwrap_or_default();
        let excess = has >= limits.connections_per_client_max.get();
        if excess {
            if held.excess == EXCESS_MAX {
                return None;
            }
            held.excess += 1;
        } else {
            held.connections += 1;
            held.clients.insert(client, has + 1);
        }
        Some(Place { places: Arc::clone(self), client, excess })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.held();
        if self.excess {
            held.excess -= 1;
            return;
        }
        held.connections -= 1;
        if let Some(has) = held.clients.get_mut(&self.client) {
            *has -= 1;
            if *has == 0 {
                held.clients.remove(&self.client);
            }
        }
        drop(held);
        self.places.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use futures::FutureExt;

    use super::*;

    fn client(last: u8) -> Client {
        Client::of(([192, 0, 2, last], 1).into())
    }

    fn limits(all: usize, each: usize) -> Limits {
        Limits {
            connections_max: NonZeroUsize::new(all).unwrap(),
            connections_per_client_max: NonZeroUsize::new(each).unwrap(),
            header_bytes_max: 0,
            rate: None,
        }
    }

    #[tokio::test]
    async fn when_all_places_are_taken_the_next_waits_for_one_or_for_more_of_them() {
        let places = Arc::new(Places::default());
        let (sender, mut live) = watch::channel(Live { tls: None, limits: limits(1, 9) });
        assert!(!places.room(&mut live).await, "there is room");
        let first = places.enter(client(1), &limits(1, 9)).unwrap();
        assert!(places.room(&mut live).now_or_never().is_none());
        drop(first);
        places.room(&mut live).await;
        let first = places.enter(client(1), &limits(1, 9)).unwrap();
        let more = async {
            sender.send_replace(Live { tls: None, limits: limits(2, 9) });
        };
        let (waited, ()) = futures::join!(places.room(&mut live), more);
        assert!(waited);
        drop((first, sender));
        let (_first, _second) = (
            places.enter(client(1), &limits(2, 9)).unwrap(),
            places.enter(client(2), &limits(2, 9)).unwrap(),
        );
        assert!(places.room(&mut live).now_or_never().is_none(), "nothing changes any more");
    }

    #[test]
    fn a_client_beyond_its_share_takes_nobodys_place() {
        let places = Arc::new(Places::default());
        let limits = limits(9, 2);
        let shares: Vec<_> = (0..2).map(|_| places.enter(client(1), &limits).unwrap()).collect();
        assert!(shares.iter().all(|place| !place.excess));
        let excess: Vec<_> =
            (0..EXCESS_MAX).map(|_| places.enter(client(1), &limits).unwrap()).collect();
        assert!(excess.iter().all(|place| place.excess));
        assert!(places.enter(client(1), &limits).is_none(), "these too have a bound");
        assert!(!places.enter(client(2), &limits).unwrap().excess);
        assert_eq!(places.held().connections, 2);
        drop((shares, excess));
        let held = places.held();
        assert_eq!((held.connections, held.excess, held.clients.len()), (0, 0, 0));
    }
}
