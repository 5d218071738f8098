//! Two ends on a bad path, and one end before a hostile one.

mod calls;
mod hostile;
mod life;
mod link;
mod tshark;
