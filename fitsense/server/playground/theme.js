// Runs before the first paint, so that the page does not flash in the other theme.
{
  let kept = null;
  try {
    kept = localStorage.getItem("fitsense.theme");
  } catch {
    // Storage may be disabled.
  }
  const dark = kept ? kept === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}
