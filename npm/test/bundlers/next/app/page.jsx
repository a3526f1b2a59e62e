import { First } from "./first.jsx";
import { Logs } from "./logs.jsx";

export default function Page() {
  return (
    <>
      <First id="first" worker={false} />
      <First id="worker" worker={true} />
      <Logs />
    </>
  );
}
