// `hold`: keeps the master of a terminal (descriptor 4) whose daemon leaves, reads what is written so that
// nobody waits, and ends with the last process that has the terminal. Says so with one byte on descriptor 3.
#pragma once

namespace dockerinit {

int hold();

}  // namespace dockerinit
