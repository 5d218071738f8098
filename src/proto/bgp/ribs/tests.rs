//! Tests of the tables as a whole: `world` has peers that send, peers that listen and a model;
//! `model` runs all at random against it; `cases` has single claims, `pages` those of whole tables.

mod cases;
mod model;
mod pages;
mod world;
