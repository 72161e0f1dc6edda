// The share link's page: chooses the address where it is touched, and copies it.
"use strict";

const address = document.getElementById("address");
const button = document.getElementById("copy");
address.addEventListener("focus", () => address.select());
if (navigator.clipboard) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    let said = "Copied.";
    try {
      await navigator.clipboard.writeText(address.value);
    } catch {
      said = "The browser did not allow it; copy the address by hand.";
    }
    document.getElementById("copied").textContent = said;
  });
}
