// Times in the reader's own zone: those of the page as it came, and what other scripts draw later.
"use strict";

function localise(within) {
  for (const time of within.querySelectorAll("time:not([title])")) {
    const moment = new Date(time.dateTime);
    time.title = time.dateTime;
    time.textContent =
      "clock" in time.dataset
        ? moment.toLocaleTimeString(undefined, { hourCycle: "h23" })
        : moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  }
}

localise(document);
