// Signs in with a client certificate.

import { type FormEvent, useId, useState } from "react";
import { session as t } from "../text/en.js";
import { readCertificate } from "./read-certificate.js";
import { signInWithCertificate } from "./session.js";
import { Way } from "./Way.js";

/** A PEM file with a certificate and a key has far fewer bytes. */
const maxBytes = 65_536;

export function CertificateForm({ onDone }: { onDone: () => void }) {
  const problemId = useId();
  const [problem, setProblem] = useState("");

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const files = new FormData(event.currentTarget).getAll("files");
    const texts = files.map((file) =>
      file instanceof File ? file.slice(0, maxBytes).text() : file,
    );
    const certificate = readCertificate(...(await Promise.all(texts)));
    if (typeof certificate === "string") return setProblem(t.certificateProblems[certificate]);
    signInWithCertificate(certificate);
    onDone();
  }

  return (
    <Way
      title={t.certificate}
      why={t.certificateWhy}
      problem={problem}
      problemId={problemId}
      onSubmit={submit}
    >
      <label>
        {t.certificateFiles}
        <input
          name="files"
          type="file"
          multiple
          required
          accept=".pem,.crt,.cer,.key"
          aria-describedby={problemId}
        />
      </label>
      <div className="way-foot">
        <button type="submit" className="primary">
          {t.signIn}
        </button>
      </div>
    </Way>
  );
}
