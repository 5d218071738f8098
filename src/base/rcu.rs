//! Publishing a new world to readers that never wait.
