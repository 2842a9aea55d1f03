/**
 * What the page that the server made says of the server: who may register, whether it sends e-mail.
 * @returns {{registration: string, sendsMail: boolean, needsEmail: boolean, membersInvite: boolean}}
 */
export function facts() {
  const { dataset } = document.getElementById("app");
  return {
    registration: dataset.registration ?? "open",
    sendsMail: "mail" in dataset,
    needsEmail: "emailRequired" in dataset,
    membersInvite: "memberInvites" in dataset,
  };
}
