// Times as the reader's clock and language have them; the page brings them in UTC, which a hint still shows.

const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

for (const time of document.querySelectorAll("time[datetime]")) {
  const at = new Date(time.dateTime);
  if (Number.isNaN(at.getTime())) continue;
  time.title = `${time.textContent} UTC`;
  const isShort = time.dataset.show === "clock";
  const isToday = day.format(at) === day.format(new Date());
  time.textContent = isShort || isToday ? clock.format(at) : `${day.format(at)}, ${clock.format(at)}`;
}
