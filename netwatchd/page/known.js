// What is known, and the connection by which it comes. index.html runs this before the rest of the page, so that the
// snapshot is on its way while that is still being loaded.

import { Connection } from "./connection.js";
import { Store } from "./store.js";

export const store = new Store();
export const connection = new Connection((message) => store.take(message));
connection.open();
