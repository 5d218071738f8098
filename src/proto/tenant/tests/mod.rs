//! Claims about members of tenants that hear of each other late, out of order or not at all.

mod agreement;
mod cluster;
mod hostile;
mod life;
