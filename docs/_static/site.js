/* The contents at the left begin where the page is in them, not at their top. */

"use strict";

{
  const box = document.querySelector(".sidebar-scroll"), here = box?.querySelector(".current-page");
  const below = here ? here.getBoundingClientRect().bottom - box.getBoundingClientRect().bottom : 0;
  if (below > 0) box.scrollTo({top: below + box.clientHeight / 2, behavior: "instant"});
}
