// Before the first paint: what was chosen with the button, against the system's light or dark.
try {
  const chosen = localStorage.getItem('betedge.theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
} catch {
  // A browser that keeps nothing shows the system's.
}
