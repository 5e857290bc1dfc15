// Flows in the order in which they were first seen, the newest first, as they come: the order is kept and never made
// anew, for there may be thousands, and something comes twice a second.

export class FlowStock {
  constructor() {
    this.items = []; // by their ids, which fall
  }

  /** The flow of this id, where it is there. */
  get(id) {
    const flow = this.items[this.placeOf(id)];
    return flow?.id === id ? flow : undefined;
  }

  /** Puts a flow where it belongs, in place of the one of the same id. */
  put(flow) {
    const place = this.placeOf(flow.id);
    this.items.splice(place, this.items[place]?.id === flow.id ? 1 : 0, flow);
  }

  delete(id) {
    const place = this.placeOf(id);
    if (this.items[place]?.id === id) this.items.splice(place, 1);
  }

  /** Leaves away the oldest, but for so many; returns whether there were more. */
  trim(most) {
    const isMore = this.items.length > most;
    if (isMore) this.items.length = most;
    return isMore;
  }

  placeOf(id) {
    let low = 0;
    let high = this.items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.items[middle].id > id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
