//! Tests of the tables as a whole: `world` has peers that send, peers that listen and a model;
//! `model` runs all at random against it; `cases` has single claims, `pages` those of whole tables,
//! `revalidation` those of a change of the RPKI.

mod cases;
mod model;
mod pages;
mod revalidation;
mod world;
