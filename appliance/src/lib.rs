//! The virtual machine image: the home of its builder for KVM, ESXi and Hyper-V.
//!
//! What belongs here makes an image out of Debian and a release build, and takes a router's name
//! and number from the hypervisor.
//!
// Gap: the builder and the images; a router runs from a build of this repository until then.
#![forbid(unsafe_code)]
