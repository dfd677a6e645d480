//! What somebody on the network can try, over real sockets: floods, drips, lies, guesses.

mod client;
mod flood;
mod guess;
mod order;
mod patience;
mod secret;
mod tls;
