using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Keyreeve.Storage;

/// <summary>
/// Names of advisory locks. PostgreSQL knows them by 64 bits, for the whole database; the schema is part of the name, so that two
/// Keyreeves in two schemas of one database do not wait for each other.
/// </summary>
internal static class PostgresLock
{
    /// <summary>Every write holds it: shared when it only compares and sets, else alone.</summary>
    public const string Writes = "writes";

    /// <summary>The schema is being made or changed.</summary>
    public const string Schema = "schema";

    /// <summary>A node of this name runs.</summary>
    public static string Node(string node) => "node|" + node;

    /// <summary>This node does a background job.</summary>
    public static string Job(string job) => "job|" + job;

    /// <summary>The first start of a database.</summary>
    public static string Alone(string what) => "alone|" + what;

    /// <summary>The number of a name.</summary>
    public static long Key(string schema, string name) => BinaryPrimitives.ReadInt64BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes($"keyreeve|{schema}|{name}")));
}
